"""What the ledger knows of lines: told by gateways, by receipts and by silence; and what it answers about them."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, Engine

from router.broker import SessionState
from router.delivery.hearing import Hearing
from router.delivery.hellos import Greeting, note
from router.delivery.line_watch import LineWatch, _note_silent
from router.ledger import queries
from router.ledger.engine import reading
from router.ledger.queries import Downtime, LineRow, OutageRow, Transfers
from router.ledger.scope import EVERYTHING, Scope
from router.ledger.units import presence
from router.ledger.units.presence import Listening, Report
from router.ledger.way.progress import note_held
from router.rules.outages import LineState, ToldBy
from schemas.accounts import parse_account
from schemas.clock import iso, now_ms
from schemas.ids import new_id
from schemas.line import Held, LineReport, Outage
from schemas.receipt import Hello
from schemas.states import Status
from support.ledgers import START, Clerk, unit

UNITS = ("LCA.01", "LCA.02", "LCA.02.01", "LCA.03")
EVERY = 60
MINUTE = 60_000
DISTRICT = Scope(units=("LCA.02.#",))


def moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def report(
    ledger: Engine,
    *units: str,
    at: int,
    skew: int = 0,
    downs: tuple[tuple[int, int], ...] = (),
    rate: int | None = None,
) -> None:
    """A report that came at ``at``; the gateway's clock is ``skew`` ahead, ``downs`` are by our clock."""
    outages = tuple(Outage(down_at=moment(began + skew), up_at=moment(ended + skew)) for began, ended in downs)
    said = LineReport(every=EVERY, rate_down=rate, outages=outages)
    with ledger.begin() as conn:
        presence.note_report(conn, units, Report(said, at + skew, at))


def begin(ledger: Engine, *units: str) -> None:
    with ledger.begin() as conn:
        Clerk(conn).units(unit("LCA"), *(unit(code) for code in UNITS))
    report(ledger, *units, at=START)


def silent(ledger: Engine, at: int, since: int = 0) -> list[str]:
    with ledger.begin() as conn:
        return presence.note_silent(conn, Listening(at, since))


def line(ledger: Engine, code: str = "LCA.01") -> LineRow:
    with reading(ledger) as conn:
        found = queries.find_line(conn, EVERYTHING, code)
    assert found is not None
    return found


def outages(ledger: Engine, since: int = 0, until: int = 2 * START) -> list[tuple[str, int, int | None, str]]:
    with reading(ledger) as conn:
        rows = queries.outages(conn, EVERYTHING, since=since, until=until)
    return [(row.unit, row.began_at, row.ended_at, row.told_by.value) for row in rows]


def test_a_report_says_that_the_line_is_up_and_what_it_gives(ledger: Engine) -> None:
    begin(ledger, "LCA.01")
    report(ledger, "LCA.01", at=START + MINUTE, skew=-1500, rate=4035)
    seen = line(ledger)
    assert (seen.state, seen.since, seen.heard_at) == (LineState.UP, START, START + MINUTE)
    assert (seen.rate_down, seen.rate_up, seen.every_ms) == (4035, None, MINUTE)
    assert seen.clock_skew_ms == -750


def test_a_report_that_waited_for_the_router_moves_neither_the_clock_nor_the_outages_in_it(ledger: Engine) -> None:
    begin(ledger, "LCA.01")
    waited = 60 * MINUTE
    for number in range(10):
        down = (START + number * MINUTE, START + number * MINUTE + 1000)
        outage = Outage(down_at=moment(down[0]), up_at=moment(down[1]))
        said = LineReport(every=EVERY, outages=(outage,))
        with ledger.begin() as conn:
            presence.note_report(conn, ["LCA.01"], Report(said, down[1], START + waited + number))
    assert line(ledger).clock_skew_ms == 0
    assert {row[1] for row in outages(ledger)} == {START + number * MINUTE for number in range(10)}


def test_a_unit_that_is_not_in_the_directory_has_no_line(ledger: Engine) -> None:
    begin(ledger, "LCA.01", "XX")
    with reading(ledger) as conn:
        assert [row.unit for row in queries.list_lines(conn, EVERYTHING)] == ["LCA.01"]


def test_three_intervals_of_silence_are_an_outage_since_the_last_sign(ledger: Engine) -> None:
    begin(ledger, "LCA.01", "LCA.03")
    report(ledger, "LCA.03", at=START + MINUTE)
    assert silent(ledger, START + 3 * MINUTE - 1) == []
    assert silent(ledger, START + 3 * MINUTE) == ["LCA.01"]
    assert silent(ledger, START + 3 * MINUTE) == []
    assert (line(ledger).state, line(ledger).since) == (LineState.DOWN, START)
    assert outages(ledger) == [("LCA.01", START, None, "silence")]


def test_a_router_that_has_not_listened_for_so_long_takes_no_line_to_be_down(ledger: Engine) -> None:
    begin(ledger, "LCA.01")
    late = START + 100 * MINUTE
    assert silent(ledger, late, since=late - 3 * MINUTE + 1) == []
    assert silent(ledger, late, since=late - 3 * MINUTE) == ["LCA.01"]


def test_a_receipt_is_a_sign_of_life_but_tells_nothing_of_a_unit_that_never_reported(ledger: Engine) -> None:
    begin(ledger, "LCA.01")
    with ledger.begin() as conn:
        presence.note_alive(conn, ["LCA.01", "LCA.02"], START + 2 * MINUTE)
    assert silent(ledger, START + 4 * MINUTE) == []
    assert line(ledger).since == START
    with reading(ledger) as conn:
        assert queries.find_line(conn, EVERYTHING, "LCA.02") is None


def test_a_receipt_ends_an_outage_that_only_silence_told_of(ledger: Engine) -> None:
    begin(ledger, "LCA.01")
    silent(ledger, START + 5 * MINUTE)
    with ledger.begin() as conn:
        presence.note_alive(conn, ["LCA.01"], START + 9 * MINUTE)
    assert outages(ledger) == [("LCA.01", START, START + 9 * MINUTE, "silence")]
    assert (line(ledger).state, line(ledger).since) == (LineState.UP, START + 9 * MINUTE)


def test_a_later_report_corrects_the_outage_instead_of_adding_one(ledger: Engine) -> None:
    begin(ledger, "LCA.01")
    silent(ledger, START + 5 * MINUTE)
    with ledger.begin() as conn:
        presence.note_alive(conn, ["LCA.01"], START + 9 * MINUTE)
    down = (START + 20_000, START + 8 * MINUTE)
    for _ in range(2):
        report(ledger, "LCA.01", at=START + 9 * MINUTE, skew=3_600_000, downs=(down,))
        assert outages(ledger) == [("LCA.01", *down, "gateway")]
    later = (down[0] + MINUTE, down[1] + MINUTE)  # the same by the gateway's clock, which was set meanwhile
    report(ledger, "LCA.01", at=START + 10 * MINUTE, skew=3_600_000 - MINUTE, downs=(later,))
    assert len(outages(ledger)) == 1, "known by its time at the gateway, whatever the skew is now"


def test_a_report_that_ends_the_silence_itself_corrects_it(ledger: Engine) -> None:
    begin(ledger, "LCA.01")
    silent(ledger, START + 5 * MINUTE)
    down = (START + 20_000, START + 8 * MINUTE)
    report(ledger, "LCA.01", at=START + 8 * MINUTE + 500, downs=(down,))
    assert outages(ledger) == [("LCA.01", *down, "gateway")]
    assert line(ledger).since == START + 8 * MINUTE


def hello(*units: str, spool: str, again: bool = False, by: str = "gateway:LCA.02.#") -> Greeting:
    said = {"units": units, "spool_id": spool, "at": iso(now_ms()), "again": again, "line": {"every": EVERY}}
    return Greeting(Hello.model_validate(said), parse_account(by))


@pytest.mark.parametrize("receipts_first", [False, True])
def test_an_outage_that_a_gateway_without_a_clock_tells_begins_after_the_last_report(
    ledger: Engine, *, receipts_first: bool
) -> None:
    begin(ledger, "LCA.01")
    silent(ledger, START + 5 * MINUTE)
    report(ledger, "LCA.01", at=START + 9 * MINUTE)
    silent(ledger, START + 15 * MINUTE)
    before = (START, START + 9 * MINUTE)
    if receipts_first:
        with ledger.begin() as conn:
            presence.note_alive(conn, ["LCA.01"], START + 20 * MINUTE)
    for at in (20, 21):  # told again when no broker confirmed it
        report(ledger, "LCA.01", at=START + at * MINUTE, downs=((1000, START + 20 * MINUTE - 500),))
        assert sorted(outages(ledger)) == [
            ("LCA.01", *before, "silence"),
            ("LCA.01", START + 9 * MINUTE + 1, START + 20 * MINUTE - 500, "gateway"),
        ]
        assert line(ledger).known_since == START


def test_the_first_report_of_a_line_tells_of_no_more_than_a_month(ledger: Engine) -> None:
    with ledger.begin() as conn:
        Clerk(conn).units(unit("LCA"), unit("LCA.01"))
    report(ledger, "LCA.01", at=START, downs=((1000, START - MINUTE),))
    month = 30 * 24 * 60 * MINUTE
    assert outages(ledger) == [("LCA.01", START - month, START - MINUTE, "gateway")]
    assert line(ledger).known_since == START - month


def test_a_short_hello_speaks_for_every_unit_of_its_spool_that_its_sender_stands_for(ledger: Engine) -> None:
    begin(ledger)
    spool = new_id()
    with ledger.begin() as conn:
        note(0, conn, [hello("LCA.02", "LCA.02.01", spool=spool), hello("LCA.01", spool=spool, by="gateway:LCA.01")])
        heard = {row.unit: row.heard_at for row in queries.list_lines(conn, EVERYTHING)}
        presence.note_silent(conn, Listening(now_ms() + 60 * MINUTE, 0))
        note(0, conn, [hello("LCA.02", spool=spool, again=True)])
        after = {row.unit: row.state.value for row in queries.list_lines(conn, EVERYTHING)}
    assert set(heard) == {"LCA.01", "LCA.02", "LCA.02.01"}
    assert after == {"LCA.01": "down", "LCA.02": "up", "LCA.02.01": "up"}


def test_a_short_hello_of_a_spool_that_the_ledger_does_not_know_is_taken_as_a_full_one(ledger: Engine) -> None:
    begin(ledger)
    with ledger.begin() as conn:
        note(0, conn, [hello("LCA.02", spool=new_id(), again=True)])
        assert [row.unit for row in queries.list_lines(conn, EVERYTHING)] == ["LCA.02"]


def test_the_lines_of_a_scope_are_listed_by_state(ledger: Engine) -> None:
    begin(ledger, *UNITS)
    silent(ledger, START + 3 * MINUTE)
    report(ledger, "LCA.02.01", at=START + 4 * MINUTE)

    def codes(conn: Connection, scope: Scope, **more: object) -> list[str]:
        return [row.unit for row in queries.list_lines(conn, scope, **more)]  # type: ignore[arg-type]

    with reading(ledger) as conn:
        assert codes(conn, DISTRICT) == ["LCA.02", "LCA.02.01"]
        assert codes(conn, DISTRICT, state=LineState.UP) == ["LCA.02.01"]
        assert codes(conn, EVERYTHING, units="LCA.02.#", state=LineState.DOWN) == ["LCA.02"]
        assert codes(conn, EVERYTHING, after="LCA.01", limit=2) == ["LCA.02", "LCA.02.01"]
        assert queries.find_line(conn, DISTRICT, "LCA.01") is None


def test_the_outages_of_an_interval_are_those_that_touch_it_the_open_ones_too(ledger: Engine) -> None:
    begin(ledger, "LCA.01", "LCA.02")
    downs = tuple((START + at * MINUTE, START + (at + 2) * MINUTE) for at in (10, 20, 30))
    report(ledger, "LCA.01", at=START + 40 * MINUTE, downs=downs)
    silent(ledger, START + 41 * MINUTE)
    found = outages(ledger, START + 12 * MINUTE, START + 30 * MINUTE)
    assert found == [("LCA.01", *downs[1], "gateway"), ("LCA.02", START, None, "silence")]
    with reading(ledger) as conn:
        (row,) = queries.outages(conn, DISTRICT, since=0, until=2 * START)
        assert row == OutageRow("LCA.02", "Đơn vị LCA.02", START, None, ToldBy.SILENCE)
        assert queries.outages(conn, EVERYTHING, since=0, until=2 * START, units="LCA.03") == []


def test_downtime_counts_what_lies_within_the_interval(ledger: Engine) -> None:
    begin(ledger, "LCA.01", "LCA.02")
    downs = tuple((START + at * MINUTE, START + (at + 2) * MINUTE) for at in (10, 20))
    report(ledger, "LCA.01", at=START + 40 * MINUTE, downs=downs)
    silent(ledger, START + 41 * MINUTE)
    with reading(ledger) as conn:
        found = queries.downtimes(
            conn, EVERYTHING, since=START + 11 * MINUTE, until=START + 90 * MINUTE, now_ms=START + 50 * MINUTE
        )
    assert found == {"LCA.01": Downtime(2, 3 * MINUTE), "LCA.02": Downtime(1, 39 * MINUTE)}


def test_a_look_that_waited_for_the_ledger_takes_no_line_to_be_down(ledger: Engine) -> None:
    begin(ledger, "LCA.01")
    with ledger.begin() as conn:
        assert _note_silent(now_ms, conn, [Listening(now_ms() - 11_000, 0)]) == [[]]
        assert _note_silent(now_ms, conn, [Listening(now_ms(), 0)]) == [["LCA.01"]]


async def test_the_watch_looks_only_while_the_router_hears() -> None:
    asked: list[Listening] = []

    class Notebook:
        async def run(self, _handler: Callable[..., object], look: Listening) -> list[str]:
            asked.append(look)
            return []

    hearing = Hearing()
    watch = LineWatch(Notebook(), hearing)  # type: ignore[arg-type]
    await watch.look()
    hearing.on_session(SessionState.UP)
    await watch.look()
    hearing.on_session(SessionState.DOWN)
    await watch.look()
    assert len(asked) == 1
    assert asked[0].since_ms <= asked[0].now_ms


def progress_at(ledger: Engine, dispatch_id: str) -> dict[str, tuple[int | None, bool, bool]]:
    with reading(ledger) as conn:
        found = queries.addressees(conn, EVERYTHING, dispatch_id)
    rows = [item.delivery for item in found]
    return {row.unit: (row.bytes_held, row.is_coming, row.waits_for_line) for row in rows}


def test_progress_is_a_state_of_the_delivery_and_no_receipt(ledger: Engine) -> None:
    begin(ledger, "LCA.02", "LCA.03")
    silent(ledger, START + 3 * MINUTE)
    with ledger.begin() as conn:
        clerk = Clerk(conn)
        key = clerk.dispatch("LCA", [unit(code) for code in UNITS])
        for code in UNITS:
            clerk.tell(key, code, Status.QUEUED, Status.TAKEN)
        clerk.tell(key, "LCA.02.01", Status.ARRIVED)
        before = queries.read_log(conn, EVERYTHING)
        told = [Held(delivery_id=clerk.deliveries[key, code], held=3_100, total=5_000) for code in UNITS]
        note_held(conn, "LCA.02.#", [*told, Held(delivery_id=new_id(), held=1, total=2)], START)
        assert queries.read_log(conn, EVERYTHING) == before
        detail = queries.find_dispatch(conn, EVERYTHING, key)
    assert progress_at(ledger, key) == {
        "LCA.01": (None, False, False),
        "LCA.02": (3_100, True, True),
        "LCA.02.01": (None, False, False),
        "LCA.03": (None, False, True),
    }
    assert detail is not None
    assert detail.transfers == Transfers(3_100, 5_000, 2)


def test_a_hello_brings_the_progress_of_its_senders_units_alone(ledger: Engine) -> None:
    begin(ledger)
    with ledger.begin() as conn:
        clerk = Clerk(conn)
        key = clerk.dispatch("LCA", [unit("LCA.01"), unit("LCA.02")])
        for code in ("LCA.01", "LCA.02"):
            clerk.tell(key, code, Status.QUEUED)
        held = tuple(Held(delivery_id=clerk.deliveries[key, code], held=5, total=9) for code in ("LCA.01", "LCA.02"))
        greeting = hello("LCA.02", spool=new_id())
        note(0, conn, [Greeting(greeting.hello.model_copy(update={"held": held}), greeting.sender)])
    assert {code: seen[0] for code, seen in progress_at(ledger, key).items()} == {"LCA.01": None, "LCA.02": 5}


def test_outages_of_long_ago_are_forgotten_the_open_ones_never(ledger: Engine) -> None:
    begin(ledger, "LCA.01", "LCA.02")
    downs = tuple((START + at * MINUTE, START + (at + 1) * MINUTE) for at in (10, 20, 30))
    report(ledger, "LCA.01", at=START + 40 * MINUTE, downs=downs)
    silent(ledger, START + 41 * MINUTE)
    with ledger.begin() as conn:
        assert presence.forget_outages(conn, [START + 25 * MINUTE]) == [2]
        assert presence.forget_outages(conn, [START + 25 * MINUTE]) == [0]
    assert outages(ledger) == [("LCA.01", *downs[2], "gateway"), ("LCA.02", START, None, "silence")]
