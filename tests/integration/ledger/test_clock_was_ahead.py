"""A clock that was ahead, by a day or a year, and is right again: nothing that it left in the ledger waits for it."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, select, update

from router.delivery.expiry import Expiry
from router.delivery.relay import RelayPolicy, claim_now
from router.ledger.engine import writing
from router.ledger.figures import figures
from router.ledger.models import delivery, line
from router.ledger.people.persons import PEOPLE, SESSIONS, THROTTLE
from router.ledger.queries import Filter, attention, overview, stuck, undelivered
from router.ledger.redrives.decisions import BATCH, Course, JobState, Outcome, Pace, Tally, decide, settle
from router.ledger.redrives.making import dry_run
from router.ledger.scope import EVERYTHING
from router.ledger.units import lines, presence, receipt_numbers
from router.ledger.units.presence import Listening, Report
from router.ledger.units.receipt_numbers import QuestionsWanted
from router.ledger.way import outbox, receipts
from router.ledger.way.acts import redrive
from router.ledger.way.new_receipt import NewReceipt
from router.ledger.way.outbox import Claim, Failed
from router.ledger.way.righting import Waits, put_right
from router.ledger.writer import Writer
from router.pages.errors import LinkEndedError, LockedOutError
from router.pages.people import Attempt, throttle
from router.rules.schedule import Silence
from schemas.clock import day_at, now_ms
from schemas.line import LineReport
from schemas.states import Status
from support.conditions import holds
from support.ledgers import START, Clerk, unit
from support.owing import misjudged

S = Status
DAY = 24 * 3_600_000
AHEAD = [DAY, 365 * DAY]
WAITS = Waits(Silence(), lease_ms=60_000)
UNIT = unit("LCA.01")


@pytest.fixture
def conn(ledger: Engine) -> Iterator[Connection]:
    with writing(ledger) as opened:
        yield opened


@pytest.fixture(params=AHEAD, ids=["a day", "a year"])
def clerk(conn: Connection, request: pytest.FixtureRequest) -> Clerk:
    """Works while the clock is ahead."""
    made = Clerk(conn, now=START + request.param)
    made.units(UNIT)
    return made


def due(conn: Connection, now: int = START) -> list[str]:
    """What a relay gets after the look that puts things right."""
    put_right(conn, now, WAITS)
    return [item.id for item in outbox.claim(conn, [Claim(now, now + 60_000, 100)])[0].due]


def accepted(_clerk: Clerk, _key: str) -> None:
    """And nothing more."""


def claimed(clerk: Clerk, _key: str) -> None:
    clerk.publish()


def taken(clerk: Clerk, key: str) -> None:
    clerk.publish()
    clerk.tell(key, "LCA.01", S.QUEUED, S.TAKEN)


def failed(clerk: Clerk, key: str) -> None:
    clerk.publish()
    what = Failed(clerk.deliveries[key, "LCA.01"], clerk.now, "returned", "no queue", failures=20)
    outbox.record_failures(clerk.conn, [[what]])


def redriven(clerk: Clerk, key: str) -> None:
    clerk.tell(key, "LCA.01", S.QUEUED, S.PARKED, reason="x")
    redrive(clerk.conn, [clerk.deliveries[key, "LCA.01"]], who="lan", reason="x", now_ms=clerk.now)


@pytest.mark.parametrize("happened", [accepted, claimed, taken, failed, redriven], ids=lambda it: it.__name__)
def test_no_delivery_waits_for_a_clock_that_was_ahead(
    conn: Connection, clerk: Clerk, happened: Callable[[Clerk, str], None]
) -> None:
    key = clerk.dispatch("LCA.VP", [UNIT])
    happened(clerk, key)
    assert due(conn) == [clerk.deliveries[key, "LCA.01"]]


def test_what_was_parked_while_the_clock_was_ahead_is_an_operators_to_see_to_from_now_on(
    conn: Connection, clerk: Clerk
) -> None:
    key = clerk.dispatch("LCA.VP", [UNIT])
    clerk.tell(key, "LCA.01", S.QUEUED, S.PARKED, reason="x")
    put_right(conn, START, WAITS)
    row = conn.execute(select(delivery.c.state_at, delivery.c.latest_at)).one()
    assert row.state_at == START
    assert START < row.latest_at < START + 5 * DAY
    assert misjudged(conn) == []


@pytest.mark.parametrize("states", [[S.QUEUED], [S.QUEUED, S.TAKEN]])
def test_what_a_right_clock_set_is_left_alone(conn: Connection, states: list[Status]) -> None:
    clerk = Clerk(conn)
    clerk.units(UNIT)
    key = clerk.dispatch("LCA.VP", [UNIT])
    clerk.publish()
    clerk.tell(key, "LCA.01", *states)
    before = conn.execute(select(delivery)).all()
    assert put_right(conn, clerk.now, WAITS) == 0
    assert conn.execute(select(delivery)).all() == before


def test_a_paused_one_stays_so(conn: Connection, clerk: Clerk) -> None:
    clerk.dispatch("LCA.VP", [UNIT])
    put_right(conn, START, WAITS)
    lines.align(conn, START)
    assert conn.scalars(select(delivery.c.next_due_at)).one() == START
    conn.execute(update(delivery).values(paused=1, next_due_at=None))
    assert put_right(conn, START, WAITS) == 0


def test_what_was_parked_in_the_future_can_be_sent_again_now(conn: Connection, clerk: Clerk) -> None:
    key = clerk.dispatch("LCA.VP", [UNIT])
    clerk.tell(key, "LCA.01", S.QUEUED, S.PARKED, reason="x")
    put_right(conn, START, WAITS)
    wanted = Filter(states=frozenset({S.PARKED}))
    assert dry_run(conn, EVERYTHING, EVERYTHING, wanted, cut_at=START + 1).eligible == 1
    (group,) = stuck(conn, EVERYTHING, now_ms=START, day=day_at(START, "UTC"))
    assert group.since <= START


def test_no_figure_is_negative(conn: Connection, clerk: Clerk) -> None:
    clerk.dispatch("LCA.VP", [UNIT])
    assert undelivered(conn, EVERYTHING, now_ms=START).oldest_age_ms == 0
    assert figures(conn, now_ms=START).oldest_age_ms == 0
    seen = overview(conn, EVERYTHING, now_ms=START)
    assert seen.oldest_at is not None
    assert seen.oldest_at <= START
    put_right(conn, START, WAITS)
    assert all(group.since <= START for group in attention(conn, EVERYTHING, now_ms=START))


def test_a_line_that_was_heard_of_in_the_future_is_down_when_it_is_silent(conn: Connection, clerk: Clerk) -> None:
    presence.note_report(conn, ["LCA.01"], Report(LineReport(every=60), clerk.now, clerk.now))
    assert presence.note_silent(conn, Listening(START, 0)) == []
    assert presence.note_silent(conn, Listening(START + DAY // 2, 0)) == ["LCA.01"]
    assert conn.scalars(select(line.c.since)).one() <= START


def test_receipts_that_miss_are_asked_for(conn: Connection, clerk: Clerk) -> None:
    receipt_numbers.note(conn, {"LCA.01": [2]}, ask_at=clerk.now + 30_000)
    assert receipt_numbers.is_due(conn, START)
    (questions,) = receipt_numbers.claim(conn, [QuestionsWanted(START, START + 60_000, 500)])
    assert [item.missing for item in questions] == [((1, 1),)]


@dataclass(frozen=True, slots=True)
class Kept:
    """A deadline of people's: how one clock sets it, and whether it holds by another."""

    set_by: Callable[[Connection, int], Any]
    holds: Callable[[Connection, Any, int], bool]


def raises(act: Callable[[], object], error: type[Exception]) -> bool:
    try:
        act()
    except error:
        return True
    return False


ATTEMPT = Attempt("lan", "192.0.2.7")


def fail_to_log_in(conn: Connection, now: int) -> None:
    token = PEOPLE.invite(conn, "lan", now_ms=now)
    PEOPLE.set_password(conn, token, "hash", now_ms=now)
    for _ in range(throttle.FREE_AT_ADDRESS):
        THROTTLE.begin(conn, ATTEMPT, now_ms=now)


def open_session(conn: Connection, now: int) -> str:
    PEOPLE.invite(conn, "lan", now_ms=now)
    return SESSIONS.begin(conn, "lan", now_ms=now)


KEPT = {
    "a lock-out": Kept(
        fail_to_log_in,
        lambda conn, _, now: raises(lambda: THROTTLE.begin(conn, ATTEMPT, now_ms=now), LockedOutError),
    ),
    "an invitation": Kept(
        lambda conn, now: PEOPLE.invite(conn, "lan", now_ms=now),
        lambda conn, token, now: not raises(lambda: PEOPLE.invited(conn, token, now_ms=now), LinkEndedError),
    ),
    "a session": Kept(open_session, lambda conn, token, now: SESSIONS.find(conn, token, now_ms=now) is not None),
}


@pytest.mark.parametrize("kept", KEPT.values(), ids=KEPT)
@pytest.mark.parametrize("ahead", AHEAD)
def test_what_a_clock_ahead_would_have_kept_for_people_is_over(conn: Connection, kept: Kept, ahead: int) -> None:
    made = kept.set_by(conn, START + ahead)
    assert kept.holds(conn, made, START + ahead)
    assert not kept.holds(conn, made, START)


class Teller:
    """Records at once what it is told."""

    def __init__(self, ledger: Engine) -> None:
        self._ledger = ledger

    async def record(self, entries: Sequence[NewReceipt]) -> list[receipts.Result]:
        with writing(self._ledger) as conn:
            return receipts.apply(conn, entries, Silence())


async def test_what_was_sent_again_has_its_time_from_then_on(ledger: Engine) -> None:
    """And not until the next look: it is old, and that is why somebody looked at it."""
    now = now_ms()
    expiry = Expiry(ledger, Teller(ledger), after=90 * DAY / 1000)  # type: ignore[arg-type]
    with writing(ledger) as conn:
        clerk = Clerk(conn, now=now - 100 * DAY)
        old, again, long_ago = (clerk.dispatch("LCA.VP", [UNIT]) for _ in range(3))
        for key, days in ((again, 1), (long_ago, 95)):
            clerk.tell(key, "LCA.01", S.QUEUED, S.PARKED, reason="x")
            redrive(conn, [clerk.deliveries[key, "LCA.01"]], who="lan", reason="x", now_ms=now - days * DAY)
    await expiry.expire()
    with writing(ledger) as conn:
        rows = conn.execute(select(delivery.c.dispatch_id, delivery.c.state, delivery.c.reason)).all()
    states, reasons = {row[0]: row[1] for row in rows}, {row[0]: row[2] for row in rows}
    assert states == {old: S.EXPIRED, again: S.REDRIVEN, long_ago: S.EXPIRED}
    assert reasons[old] == "had not arrived 90 days after its acceptance"
    assert reasons[long_ago] == "had not arrived 90 days after it was sent again"


async def test_a_lease_lasts_from_when_it_is_made_though_the_ledger_was_away(ledger: Engine) -> None:
    """The wish for it waits in the writer's queue as long as the database needs."""
    with writing(ledger) as conn:
        Clerk(conn, now=now_ms() - 1000).dispatch("LCA.VP", [UNIT])
    writer, begun, free = Writer(ledger, linger=0.0), threading.Event(), threading.Event()

    def hold(_conn: Connection, items: Sequence[None]) -> list[None]:
        begun.set()
        assert free.wait(30)
        return [None for _ in items]

    holding = asyncio.create_task(writer.run(hold, None))
    await holds(begun.is_set, what="the database is busy with another change")
    waiting = asyncio.create_task(writer.run(partial(claim_now, now_ms, RelayPolicy(lease=1.0)), None))
    wished_at = now_ms()
    await holds(lambda: now_ms() > wished_at + 1200, what="a lease of then is over")
    free.set()
    assert len((await waiting).due) == 1
    await holding
    writer.close()
    with writing(ledger) as conn:
        assert conn.scalars(select(delivery.c.next_due_at)).one() > wished_at + 2000


@pytest.mark.parametrize("ahead", AHEAD)
def test_a_redrive_goes_on_and_settles_what_it_watches(ahead: int) -> None:
    course = Course(JobState.RUNNING, Pace.RATE, 10, 10, send_at=START + ahead, per_minute=60)
    assert ahead > BATCH * 60_000 // 60
    assert decide(course, Tally({Outcome.WAITING: 10}), failure="", now_ms=START).send > 0
    watched = settle(S.QUEUED, failures=0, sent_at=START + ahead, now_ms=START, watch_ms=120_000)
    assert watched is Outcome.UNDER_WAY
