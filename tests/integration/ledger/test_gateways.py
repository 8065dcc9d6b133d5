"""Which gateway works for a unit, what gateways say of themselves, and what operators see of it."""

from collections.abc import Sequence
from dataclasses import replace

import orjson
import pytest
from sqlalchemy import Connection, Engine, select

from router.broker import Delivered
from router.delivery.hellos import Greeting, note
from router.delivery.recorder import _read
from router.errors import ActRefusedError, NotFoundError
from router.ledger import queries
from router.ledger.models import delivery, spool, unit, unit_trouble
from router.ledger.people.audit import By
from router.ledger.queries import Flag
from router.ledger.scope import EVERYTHING, Scope
from router.ledger.units import gateways, unit_acts
from router.ledger.way.new_receipt import NewReceipt
from router.ledger.way.receipts import apply
from router.rules.schedule import Silence
from schemas.accounts import parse_account
from schemas.clock import day_at, iso, now_ms
from schemas.health import HEADER_HEALTH, CertificateDays, Health, Trouble
from schemas.ids import new_id
from schemas.line import MISSED
from schemas.reasons import HEADER_CODE, WORDS, ReasonCode
from schemas.receipt import Hello
from schemas.states import Status
from support.ledgers import Clerk
from support.ledgers import unit as a_unit

EVERY = 60
UNIT, OTHER = "LCA.02.05", "LCA.02.06"
FIRST, SECOND = new_id(), new_id()
BROKER = (CertificateDays(which="broker", days=3),)


def hello(spool_id: str, *units: str, again: bool = False, health: Health | None = None, since_ms: int = 0) -> Greeting:
    said = {"units": units or (UNIT,), "spool_id": spool_id, "at": iso(now_ms()), "again": again}
    model = Hello.model_validate(said | {"line": {"every": EVERY}})
    return Greeting(model, parse_account("gateway:LCA.02.#"), health, since_ms)


def silence(conn: Connection, spool_id: str) -> None:
    """Let as much time pass for a spool as makes it silent."""
    before = now_ms() - MISSED * EVERY * 1000 - 1
    conn.execute(spool.update().where(spool.c.id == spool_id).values(heard_at=before))


def works(conn: Connection, code: str = UNIT) -> str | None:
    found: str | None = conn.scalar(select(unit.c.spool_id).where(unit.c.code == code))
    return found


def made(conn: Connection) -> Clerk:
    clerk = Clerk(conn)
    clerk.units(*(a_unit(code) for code in ("LCA", "LCA.02", UNIT, OTHER)))
    return clerk


def test_the_first_living_spool_keeps_the_unit_and_the_second_makes_nothing_due(ledger: Engine) -> None:
    with ledger.begin() as conn:
        clerk = made(conn)
        note(0, conn, [hello(FIRST)])
        clerk.tell(clerk.dispatch("LCA.VP", [a_unit(UNIT)]), UNIT, Status.TAKEN)
        for again in (False, True, True):
            assert note(0, conn, [hello(SECOND, again=again)]) == [0]
            assert note(0, conn, [hello(FIRST, again=again)]) == [0]
        assert works(conn) == FIRST
        assert clerk.made_due() == set()
        assert [row.id for row in gateways.second_spools(conn, now_ms=now_ms())] == [SECOND]
        sheet = queries.unit_sheet(conn, EVERYTHING, UNIT, now_ms=now_ms(), today=0)
        elsewhere = gateways.held_elsewhere(conn, [UNIT, OTHER], [SECOND], now_ms=now_ms())
        assert elsewhere == {UNIT: FIRST}
        assert gateways.held_elsewhere(conn, [UNIT, OTHER], [FIRST], now_ms=now_ms()) == {}
    assert sheet is not None
    assert [(row.id, row.works) for row in sheet.gateways] == [(FIRST, True), (SECOND, False)]


def test_a_spool_set_up_anew_works_without_an_operator_when_the_old_one_is_silent(ledger: Engine) -> None:
    with ledger.begin() as conn:
        clerk = made(conn)
        note(0, conn, [hello(FIRST)])
        clerk.tell(clerk.dispatch("LCA.VP", [a_unit(UNIT)]), UNIT, Status.TAKEN)
        note(0, conn, [hello(SECOND)])
        silence(conn, FIRST)
        assert note(0, conn, [hello(SECOND, again=True)]) == [1]
        assert works(conn) == SECOND
        assert gateways.second_spools(conn, now_ms=now_ms()) == []
        note(0, conn, [hello(FIRST)])
        assert works(conn) == SECOND, "the old one is the second now"
        assert gateways.held_elsewhere(conn, [UNIT], [FIRST], now_ms=now_ms()) == {UNIT: SECOND}


def test_a_spool_that_says_which_it_replaces_does_not_wait_for_its_silence(ledger: Engine) -> None:
    with ledger.begin() as conn:
        made(conn)
        note(0, conn, [hello(FIRST)])
        assert gateways.held_elsewhere(conn, [UNIT], [SECOND, FIRST], now_ms=now_ms()) == {}
        note(0, conn, [replace(hello(SECOND), replaces=FIRST)])
        assert works(conn) == SECOND


def test_a_router_that_was_away_itself_takes_nobody_to_be_silent_for_it(ledger: Engine) -> None:
    with ledger.begin() as conn:
        made(conn)
        note(0, conn, [hello(FIRST)])
        silence(conn, FIRST)
        note(0, conn, [hello(SECOND, since_ms=now_ms() - 1000)])
        assert works(conn) == FIRST
        note(0, conn, [hello(SECOND, since_ms=now_ms() - MISSED * EVERY * 1000 - 1)])
        assert works(conn) == SECOND


def test_a_spool_that_never_said_how_often_it_speaks_is_not_held_against_another(ledger: Engine) -> None:
    with ledger.begin() as conn:
        made(conn)
        silent = Hello.model_validate({"units": (UNIT,), "spool_id": FIRST, "at": iso(now_ms())})
        note(0, conn, [Greeting(silent, parse_account("gateway:LCA.02.#"))])
        note(0, conn, [hello(SECOND)])
        assert works(conn) == SECOND


def test_only_the_units_that_another_has_are_left_to_it(ledger: Engine) -> None:
    with ledger.begin() as conn:
        made(conn)
        note(0, conn, [hello(FIRST, UNIT)])
        note(0, conn, [hello(SECOND, UNIT, OTHER), hello(SECOND, UNIT, again=True)])
        assert (works(conn), works(conn, OTHER)) == (FIRST, SECOND)


def test_an_operator_lets_the_second_take_over(ledger: Engine) -> None:
    by = By("lan", "the old one is broken", now_ms())
    with ledger.begin() as conn:
        clerk = made(conn)
        note(0, conn, [hello(FIRST)])
        with pytest.raises(NotFoundError, match="stands by"):
            unit_acts.take_over(conn, UNIT, "", by)
        clerk.tell(clerk.dispatch("LCA.VP", [a_unit(UNIT)]), UNIT, Status.TAKEN)
        note(0, conn, [hello(SECOND)])
        assert unit_acts.take_over(conn, UNIT, "", by).changed == (UNIT,)
        assert works(conn) == SECOND
        assert len(clerk.made_due()) == 1
        note(0, conn, [hello(SECOND), hello(FIRST, again=True)])
        assert works(conn) == SECOND
        assert gateways.held_elsewhere(conn, [UNIT], [FIRST], now_ms=now_ms()) == {UNIT: SECOND}


@pytest.mark.parametrize("how", ["an operator", "its silence"])
def test_a_spool_that_takes_over_gets_the_recalls_of_what_it_gets(ledger: Engine, how: str) -> None:
    with ledger.begin() as conn:
        clerk = made(conn)
        note(0, conn, [hello(FIRST)])
        original = clerk.dispatch("LCA.VP", [a_unit(UNIT)])
        clerk.tell(original, UNIT, Status.QUEUED, Status.TAKEN)
        recall = clerk.dispatch("LCA.VP", [a_unit(UNIT)], kind="recall", refers_to=[original])
        clerk.tell(recall, UNIT, Status.QUEUED, Status.TAKEN, Status.ARRIVED)
        note(0, conn, [hello(SECOND)])
        if how == "an operator":
            unit_acts.take_over(conn, UNIT, "", By("lan", "the old one is broken", now_ms()))
        else:
            silence(conn, FIRST)
            note(0, conn, [hello(SECOND, again=True)])
        assert clerk.made_due() == {clerk.deliveries[original, UNIT], clerk.deliveries[recall, UNIT]}


def test_which_of_several_takes_over_has_to_be_said(ledger: Engine) -> None:
    third = new_id()
    with ledger.begin() as conn:
        made(conn)
        note(0, conn, [hello(FIRST), hello(SECOND), hello(third)])
        by = By("lan", "why", now_ms())
        with pytest.raises(ActRefusedError, match="several"):
            unit_acts.take_over(conn, UNIT, "", by)
        unit_acts.take_over(conn, UNIT, third, by)
        assert works(conn) == third


def park(clerk: Clerk, delivery_id: str, reason: str, code: ReasonCode) -> None:
    said = NewReceipt(new_id(), delivery_id, Status.PARKED, iso(clerk.now), clerk.now, reason=reason, code=code)
    apply(clerk.conn, [said], Silence())


def troubles(conn: Connection) -> dict[str, str]:
    return {row.unit: row.code for row in conn.execute(select(unit_trouble.c.unit, unit_trouble.c.code))}


def health(*items: tuple[str, Sequence[str]], free: int = 5) -> Health:
    told = tuple(Trouble(code=code, units=tuple(units), seconds=90, why="/in") for code, units in items)
    return Health(troubles=told, disk_free=free)


def test_what_a_gateway_cannot_hand_over_is_stored_shown_and_gone_when_it_works_again(ledger: Engine) -> None:
    with ledger.begin() as conn:
        clerk = made(conn)
        key = clerk.dispatch("LCA.VP", [a_unit(UNIT), a_unit(OTHER)])
        for code in (UNIT, OTHER):
            clerk.tell(key, code, Status.TAKEN)
        note(0, conn, [hello(FIRST, UNIT, OTHER, health=health(("sink_unwritable", [UNIT])))])
        assert troubles(conn) == {UNIT: "sink_unwritable"}
        sheet = queries.unit_sheet(conn, EVERYTHING, UNIT, now_ms=now_ms(), today=0)
        groups = [group for group in queries.attention(conn, EVERYTHING, now_ms=now_ms()) if group.code]
        (row,) = [row for row in queries.list_deliveries(conn, EVERYTHING, units=UNIT) if row.unit == UNIT]
        note(0, conn, [hello(FIRST, UNIT, again=True)])
        assert troubles(conn) == {UNIT: "sink_unwritable"}, "a hello that says nothing of it has not changed it"
        note(0, conn, [hello(FIRST, UNIT, again=True, health=health(("disk_full", [])))])
        assert troubles(conn) == {UNIT: "disk_full", OTHER: "disk_full"}
        note(0, conn, [hello(FIRST, UNIT, again=True, health=health())])
        assert troubles(conn) == {}
    assert sheet is not None
    assert sheet.trouble is not None
    assert (sheet.trouble.code, sheet.trouble.why) == ("sink_unwritable", "/in")
    assert sheet.trouble.since <= now_ms() - 90_000
    assert sheet.gateways[0].disk_free == 5
    assert [(it.cause, it.code, it.units, it.deliveries) for it in groups] == [
        (Flag.NOT_HANDED_OVER, "sink_unwritable", 1, 1)
    ]
    assert row.waits_for_sink
    assert row.trouble_code == "sink_unwritable"


def test_the_certificate_that_ends_first_is_known_as_long_as_its_gateway_works(ledger: Engine) -> None:
    days = [CertificateDays(which=which, days=left) for which, left in (("client", 60), ("broker", 12), ("origin", 80))]
    told = Health(certificates=tuple(days))
    before = now_ms() + 30 * 86_400_000
    with ledger.begin() as conn:
        made(conn)
        note(0, conn, [hello(FIRST, UNIT, health=told), hello(SECOND, OTHER, health=Health())])
        (row,) = gateways.ending(conn, EVERYTHING, before=before, limit=5)
        assert (row.id, row.certificate) == (FIRST, "broker")
        assert row.certificate_ends_at is not None
        assert round((row.certificate_ends_at - now_ms()) / 86_400_000) == 12
        assert gateways.ending(conn, Scope(units=(UNIT,)), before=before, limit=5) == [row]
        assert gateways.ending(conn, Scope(units=(OTHER,)), before=before, limit=5) == []
        note(0, conn, [hello(FIRST, UNIT, again=True)])
        assert gateways.ending(conn, EVERYTHING, before=before, limit=5), "a hello that says nothing changes nothing"
        renewed = Health(certificates=tuple(item.model_copy(update={"days": 80}) for item in days))
        note(0, conn, [hello(FIRST, UNIT, again=True, health=renewed)])
        assert gateways.ending(conn, EVERYTHING, before=before, limit=5) == []


def test_a_gateway_says_nothing_of_units_that_are_not_its_own(ledger: Engine) -> None:
    with ledger.begin() as conn:
        made(conn)
        note(0, conn, [hello(FIRST, UNIT, health=health(("disk_full", [OTHER, "LCA"])))])
        note(0, conn, [hello(SECOND, UNIT, health=health(("disk_full", [])))])
        assert troubles(conn) == {}


def test_reasons_with_one_code_are_one_group_whatever_path_each_names(ledger: Engine) -> None:
    with ledger.begin() as conn:
        clerk = made(conn)
        key = clerk.dispatch("LCA.VP", [a_unit(UNIT), a_unit(OTHER)])
        old = clerk.dispatch("LCA.VP", [a_unit(UNIT), a_unit(OTHER)])
        for code in (UNIT, OTHER):
            said = f"the disk of the inbox /in/{code} is full"
            park(clerk, clerk.deliveries[key, code], said, ReasonCode.SINK_DISK_FULL)
            clerk.tell(old, code, Status.PARKED, reason=said)
        groups = queries.stuck(conn, EVERYTHING, now_ms=now_ms(), day=day_at(now_ms(), "UTC"))
        attention = queries.attention(conn, EVERYTHING, now_ms=now_ms())
        codes = set(conn.scalars(select(delivery.c.reason_code)))
    assert sorted((it.code, it.units, it.deliveries) for it in groups) == [
        ("", 1, 1),
        ("", 1, 1),
        ("sink_disk_full", 2, 2),
    ]
    assert all("/in/LCA.02" in it.reason for it in groups)
    assert [it.deliveries for it in attention if it.code == "sink_disk_full"] == [2]
    assert codes == {"", "sink_disk_full"}


def test_a_code_that_was_told_goes_with_the_state_that_it_explains(ledger: Engine) -> None:
    with ledger.begin() as conn:
        clerk = made(conn)
        key = clerk.dispatch("LCA.VP", [a_unit(UNIT)])
        park(clerk, clerk.deliveries[key, UNIT], "x", ReasonCode.DISK_FULL)
        clerk.tell(key, UNIT, Status.REDRIVEN)
        assert set(conn.scalars(select(delivery.c.reason_code))) == {""}


@pytest.mark.parametrize(
    ("header", "read"),
    [
        (Health().encode(), Health()),
        (health(("disk_full", [UNIT])).encode(), health(("disk_full", [UNIT]))),
        ('{"troubles": [{"code": "new_one", "more": 1}], "more": 2}', Health(troubles=(Trouble(code="new_one"),))),
        ('{"certificates": [{"which": "broker", "days": 3, "of": 90}]}', Health(certificates=BROKER)),
        ("{", None),
        ('{"disk_free": -1}', None),
        ("x" * 100_000, None),
        (7, None),
        (None, None),
    ],
)
def test_a_health_that_cannot_be_read_harms_no_hello(header: object, read: Health | None) -> None:
    greeting = hello(FIRST)
    body = greeting.hello.model_dump_json(exclude_defaults=True).encode()
    headers = {} if header is None else {HEADER_HEALTH: header}
    message = Delivered(body, "q", "k", new_id(), "hello", "gateway:LCA.02.#", headers, "", "", redelivered=False)
    found = _read(0, message).hello
    assert found is not None
    assert (found.hello.spool_id, found.health) == (FIRST, read)


@pytest.mark.parametrize(("header", "code"), [("disk_full", "disk_full"), ("new_one", ""), (7, ""), (None, "")])
def test_the_code_beside_receipts_is_theirs_when_it_is_known(header: object, code: str) -> None:
    receipt: dict[str, object] = {
        "id": new_id(),
        "delivery_id": new_id(),
        "dispatch_id": new_id(),
        "unit": UNIT,
        "status": "parked",
    }
    receipt |= {"at": iso(now_ms()), "seq": 1, "reason": "x"}
    body = orjson.dumps({"receipts": [receipt]})
    headers = {} if header is None else {HEADER_CODE: header}
    message = Delivered(body, "q", "k", new_id(), "receipts", "gateway:LCA.02.#", headers, "", "", redelivered=False)
    assert [entry.code for entry in _read(0, message).entries] == [code]


def test_every_code_has_its_words_in_both_languages() -> None:
    for code in ReasonCode:
        words = WORDS[code]
        assert all((words.vi, words.en, words.advice_vi, words.advice_en)), code
