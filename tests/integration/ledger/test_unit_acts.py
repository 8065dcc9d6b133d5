"""Units paused, muted, opened and retired: what waits, what is shown, and what every act leaves in the audit log."""

from datetime import date, timedelta

import pytest
from sqlalchemy import Connection, Engine, select

from router.directory import Directory, Reason, resolve
from router.errors import ActRefusedError, DirectoryError, NotFoundError
from router.ledger import queries
from router.ledger.engine import writing
from router.ledger.models import delivery
from router.ledger.people.audit import Act, By
from router.ledger.queries import Filter, Flag
from router.ledger.scope import EVERYTHING
from router.ledger.units.lines import align
from router.ledger.units.unit_acts import keep, mute, named, open_again, pause, retire
from router.ledger.units.unit_list import import_units, list_units
from router.ledger.way import outbox
from router.ledger.way.outbox import Claim
from schemas.clock import day_at
from schemas.states import Status
from schemas.unit import Link
from support.audited import list_entries
from support.ledgers import Clerk, unit

TODAY = date(2026, 9, 1)

NEAR, FAR, HELD = unit("LCA.01"), unit("LCA.02"), unit("LCA.03", Link.NONE)
UNITS = [unit("LCA"), NEAR, FAR, HELD]
DAY = 86_400_000


def began(conn: Connection) -> Clerk:
    clerk = Clerk(conn)
    clerk.units(*UNITS)
    return clerk


def by(clerk: Clerk, why: str = "the roof has come off") -> By:
    return By("hoa", why, clerk.now)


def due(conn: Connection, clerk: Clerk) -> set[str]:
    """The units to which something is due now; it is not claimed by looking."""
    nested = conn.begin_nested()
    (claimed,) = outbox.claim(conn, [Claim(clerk.now, clerk.now + 1, 100)])
    nested.rollback()
    return {item.unit for item in claimed.due}


def reasons(conn: Connection, code: str) -> list[str]:
    found = queries.find_deliveries(conn, EVERYTHING, Filter(units=(code,)), now_ms=0)
    return [row.reason for row in found]


def test_nothing_new_goes_to_a_paused_unit_and_what_waits_says_so(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = began(conn)
        before = clerk.dispatch("LCA", [NEAR, FAR])
        done = pause(conn, ["LCA.01"], by(clerk))
        assert (done.changed, done.held) == (("LCA.01",), 1)
        clerk.dispatch("LCA", [NEAR, FAR, HELD])
        assert due(conn, clerk) == {"LCA.02"}
        told = [f"paused by hoa since 2026-09-21T14:13:21.000Z: {by(clerk).why}"] * 2
        assert reasons(conn, "LCA.01") == told
        assert reasons(conn, "LCA.03") == ["no_line"]
        assert [row.reason for row in queries.list_deliveries(conn, EVERYTHING, dispatch_id=before)] == [told[0], ""]
        causes = {group.cause: group.deliveries for group in queries.attention(conn, EVERYTHING, now_ms=clerk.now)}
        assert causes == {Flag.PAUSED: 2, Flag.NO_LINE: 1}
        assert queries.overview(conn, EVERYTHING, now_ms=clerk.now).held == 1
        clerk.now += 1000
        assert (align(conn, clerk.now).released, align(conn, clerk.now).held) == (0, 0)
        again = open_again(conn, ["LCA.01"], by(clerk))
        assert (again.changed, again.released) == (("LCA.01",), 2)
        assert due(conn, clerk) == {"LCA.01", "LCA.02"}
        assert reasons(conn, "LCA.01") == ["", ""]


def test_a_subtree_is_paused_and_opened_at_once_and_says_which_units_changed(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = began(conn)
        clerk.units(unit("LCA.01.05"), unit("LCA.011"))
        clerk.dispatch("LCA", [NEAR, FAR, unit("LCA.01.05"), unit("LCA.011")])
        assert named(conn, ["LCA.03", "LCA.01.#", "LCA.01"]) == ["LCA.01", "LCA.01.05", "LCA.03"]
        with pytest.raises(NotFoundError, match=r"LCA\.9\.#"):
            named(conn, ["LCA.01", "LCA.9.#"])
        pause(conn, ["LCA.01"], by(clerk))
        done = pause(conn, named(conn, ["LCA.01.#"]), by(clerk))
        assert (done.changed, done.unchanged, done.held) == (("LCA.01.05",), ("LCA.01",), 1)
        assert due(conn, clerk) == {"LCA.02", "LCA.011"}
        assert open_again(conn, named(conn, ["LCA.01.#"]), by(clerk)).released == 2
        assert due(conn, clerk) == {"LCA.01", "LCA.01.05", "LCA.02", "LCA.011"}
        assert [row.entry.unit for row in list_entries(conn, EVERYTHING)] == ["LCA.01.05", "LCA.01"] * 2


def test_whatever_happens_to_a_delivery_of_a_paused_unit_sends_nothing(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = began(conn)
        parked, taken, failed = (clerk.dispatch("LCA", [NEAR]) for _ in range(3))
        clerk.tell(parked, "LCA.01", Status.QUEUED, Status.PARKED, reason="full")
        clerk.tell(taken, "LCA.01", Status.QUEUED)
        pause(conn, ["LCA.01"], by(clerk))
        clerk.tell(parked, "LCA.01", Status.REDRIVEN, reason="mended")
        clerk.tell(taken, "LCA.01", Status.TAKEN)
        key = clerk.deliveries[failed, "LCA.01"]
        outbox.record_failures(conn, [[outbox.Failed(key, clerk.now, "nacked", "full", 0)]])
        assert outbox.make_due_by_sequence(conn, "LCA.01", [1, 2, 3], clerk.now) == 0
        assert outbox.make_due(conn, ["LCA.01"], [Status.QUEUED, Status.TAKEN], clerk.now) == 0
        assert set(conn.scalars(select(delivery.c.next_due_at))) == {None}
        clerk.tell(taken, "LCA.01", Status.ARRIVED)
        assert open_again(conn, ["LCA.01"], by(clerk)).released == 2
        assert due(conn, clerk) == {"LCA.01"}


def test_a_paused_unit_that_has_no_line_when_it_is_opened_waits_for_it(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = began(conn)
        clerk.dispatch("LCA", [NEAR])
        pause(conn, ["LCA.01"], by(clerk))
        clerk.units(NEAR.model_copy(update={"link": Link.NONE}))
        assert open_again(conn, ["LCA.01"], by(clerk)).released == 0
        assert due(conn, clerk) == set()
        assert reasons(conn, "LCA.01") == ["no_line"]
        clerk.units(NEAR)
        assert due(conn, clerk) == {"LCA.01"}


def test_a_muted_unit_calls_for_nobody_until_its_time_and_stays_listed(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = began(conn)
        key = clerk.dispatch("LCA", [NEAR, FAR])
        for code in ("LCA.01", "LCA.02"):
            clerk.tell(key, code, Status.QUEUED, Status.PARKED, reason="full")
        until = clerk.now + DAY
        mute(conn, ["LCA.01"], until, by(clerk))
        now = clerk.now
        assert [group.units for group in queries.attention(conn, EVERYTHING, now_ms=now)] == [1]
        assert [
            (group.muted, group.units) for group in queries.stuck(conn, EVERYTHING, now_ms=now, day=day_at(now, "UTC"))
        ] == [
            (False, 1),
            (True, 1),
        ]
        assert [row.code for row in queries.muted_units(conn, EVERYTHING, now_ms=now)] == ["LCA.01"]
        muted, heard = (Filter(flags=frozenset({flag, Flag.PARKED})) for flag in (Flag.MUTED, Flag.UNMUTED))
        for wanted, code in ((muted, "LCA.01"), (heard, "LCA.02")):
            assert [row.unit for row in queries.find_deliveries(conn, EVERYTHING, wanted, now_ms=now)] == [code]
        assert [group.units for group in queries.attention(conn, EVERYTHING, now_ms=until)] == [2]
        with pytest.raises(ActRefusedError, match="has passed"):
            mute(conn, ["LCA.01"], now, by(clerk))
        assert open_again(conn, ["LCA.01"], by(clerk)).changed
        assert [group.units for group in queries.attention(conn, EVERYTHING, now_ms=now)] == [2]


def test_a_unit_is_not_retired_in_the_past_and_its_retirement_is_taken_back_until_the_day_is_over(
    ledger: Engine,
) -> None:
    with writing(ledger) as conn:
        clerk = began(conn)
        for day in (date(1, 1, 1), TODAY - timedelta(days=1)):
            with pytest.raises(ActRefusedError, match="has passed"):
                retire(conn, "LCA.01", day, None, by(clerk), today=TODAY)
        assert not keep(conn, "LCA.01", by(clerk), today=TODAY).changed
        assert retire(conn, "LCA.01", TODAY, "LCA.02", by(clerk), today=TODAY).changed
        with pytest.raises(ActRefusedError, match="has passed"):
            keep(conn, "LCA.01", by(clerk), today=TODAY + timedelta(days=1))
        assert keep(conn, "LCA.01", by(clerk), today=TODAY).changed
        kept = next(item for item in list_units(conn) if item.code == "LCA.01")
        assert (kept.valid_to, kept.successor) == (None, None)
        told = [(row.entry.act, row.entry.detail) for row in list_entries(conn, EVERYTHING)]
        assert told == [(Act.UNIT_KEPT, TODAY.isoformat()), (Act.UNIT_RETIRED, f"{TODAY.isoformat()} LCA.02")]


def test_a_retired_unit_gives_its_documents_to_its_successor_from_the_next_day_on(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = began(conn)
        day = date(2026, 9, 30)
        assert retire(conn, "LCA.01", day, "LCA.02", by(clerk), today=TODAY).changed
        assert not retire(conn, "LCA.01", day, "LCA.02", by(clerk), today=TODAY).changed
        directory = Directory(list_units(conn))
        assert [item.code for item in resolve(directory, ["LCA.01"], day).included] == ["LCA.01"]
        after = resolve(directory, ["LCA.01"], date(2026, 10, 1))
        assert [item.code for item in after.included] == ["LCA.02"]
        assert [item.reason for item in after.left_out] == [Reason.ABOLISHED]
        with pytest.raises(DirectoryError, match="not in the list"):
            retire(conn, "LCA.02", day, "LCA.99", by(clerk), today=TODAY)
        with pytest.raises(DirectoryError, match="cycle"):
            retire(conn, "LCA.02", day, "LCA.01", by(clerk), today=TODAY)


def test_each_act_is_audited_once_with_its_reason_and_an_import_keeps_pauses(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = began(conn)
        for _ in range(2):
            pause(conn, ["LCA.01"], by(clerk))
        mute(conn, ["LCA.01"], clerk.now + DAY, by(clerk))
        import_units(conn, [NEAR.model_copy(update={"name": "Tên mới"})], now_ms=clerk.now)
        row = queries.find_unit(conn, EVERYTHING, "LCA.01")
        assert row is not None
        assert (row.name, row.paused_by, row.muted_by) == ("Tên mới", "hoa", "hoa")
        for _ in range(2):
            open_again(conn, ["LCA.01"], by(clerk, "mended"))
        entries = [row.entry for row in list_entries(conn, EVERYTHING)][::-1]
        assert [(entry.act, entry.unit, entry.reason) for entry in entries] == [
            (Act.UNIT_PAUSED, "LCA.01", "the roof has come off"),
            (Act.UNIT_MUTED, "LCA.01", "the roof has come off"),
            (Act.UNIT_OPENED, "LCA.01", "mended"),
        ]
        for act in (pause, open_again):
            with pytest.raises(NotFoundError):
                act(conn, ["LCA.99"], by(clerk))
