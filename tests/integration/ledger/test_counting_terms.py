"""What is owed is counted by the terms of now, after an upgrade and after a change, whatever is killed meanwhile."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest
from sqlalchemy import Connection, Engine, or_, select, update
from structlog.testing import capture_logs

from router.delivery.deadlines import Deadlines
from router.ledger.engine import reading, writing
from router.ledger.models import counted_terms, delivery
from router.ledger.way import counting, owing
from router.ledger.way.counting import CountedBy, Turn
from router.ledger.writer import Writer
from schemas.clock import day_at
from schemas.dispatch import Urgency
from schemas.duties import Duty, Terms
from schemas.events import Event
from schemas.office import office_terms
from schemas.states import ENDED, Status
from schemas.working_calendar import Exceptions, WorkingCalendar, parse_office_hours
from support.ledgers import START, Clerk, unit
from support.owing import misjudged

S = Status
TERMS = office_terms()
UNITS = [unit(f"LCA.{number:02}") for number in range(8)]
ENDS = (
    *((S.QUEUED,), (S.ARRIVED,), (S.ARRIVED, S.REGISTERED), (S.ARRIVED, S.REGISTERED, S.COMPLETED), (S.PARKED,)),
    *((S.ARRIVED, S.REFUSED), (S.ARRIVED, S.TAKE_BACK_REQUESTED, S.CHANGE_REFUSED)),
)


def moved(terms: Terms = TERMS) -> Terms:
    """The same with the days after the tests' present off, as the government may announce."""
    days = (day_at(START, terms.calendar.zone) + timedelta(days=number) for number in range(1, 4))
    return replace(terms, calendar=replace(terms.calendar, exceptions=Exceptions(off=frozenset(days))))


def story(conn: Connection) -> Clerk:
    clerk = Clerk(conn)
    for urgency in (0, 1, 3):
        key = clerk.dispatch("LCA", UNITS, urgency=urgency)
        for item, states in zip(UNITS, ENDS, strict=False):
            clerk.tell(key, item.code, *states)
    return clerk


def count(conn: Connection, terms: Terms = TERMS) -> int:
    """Step until everything is counted; how many changed."""
    changed, stood = 0, ""
    while True:
        (step,) = counting.step(conn, [Turn(terms, stood)])
        changed, stood = changed + step.changed, step.other
        if step.is_done:
            return changed


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several steps for few rows."""
    monkeypatch.setattr(counting, "AT_ONCE", 5)


def forget(conn: Connection) -> None:
    """Leave it as a ledger of before stands after its upgrade."""
    conn.execute(update(delivery).values(dict.fromkeys(("register_by", *owing.COLUMNS))))


def test_what_was_kept_after_a_recall_is_the_clerks_to_register_or_else_the_staffs(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        key = clerk.dispatch("LCA", UNITS[:2])
        clerk.tell(key, UNITS[0].code, S.ARRIVED, S.TAKE_BACK_REQUESTED, S.CHANGE_REFUSED)
        clerk.tell(key, UNITS[1].code, S.ARRIVED, S.REGISTERED, S.TAKE_BACK_REQUESTED, S.CHANGE_REFUSED)
        turns = dict(conn.execute(select(delivery.c.unit, delivery.c.duty)).all())
        assert turns == {UNITS[0].code: Duty.REGISTER, UNITS[1].code: Duty.PROCESS}
        assert misjudged(conn) == []


@pytest.mark.usefixtures("few")
def test_what_an_older_program_kept_is_counted_after_the_upgrade_and_then_never_again(ledger: Engine) -> None:
    with writing(ledger) as conn:
        story(conn)
        assert misjudged(conn) == []
        forget(conn)
        assert counting.is_counting(conn, TERMS)
        assert count(conn) > 0
        assert misjudged(conn) == []
        assert not counting.is_counting(conn, TERMS)
        forget(conn)
        assert count(conn) == 0  # nothing is looked at while the terms are those that were counted


@pytest.mark.usefixtures("few")
def test_whoever_is_killed_between_two_steps_goes_on_where_the_ledger_says(ledger: Engine) -> None:
    with writing(ledger) as conn:
        story(conn)
        forget(conn)
    for _ in range(4):  # each time another process
        with writing(ledger) as conn:
            before = conn.scalar(select(counted_terms.c.after)) or ""
            counting.step(conn, [Turn(TERMS)])
            assert conn.scalars(select(counted_terms.c.after)).one() > before or before == ""
    with writing(ledger) as conn:
        assert counting.is_counting(conn, TERMS)
        count(conn)
        assert misjudged(conn) == []


@pytest.mark.usefixtures("few")
def test_days_that_are_moved_move_the_terms_of_what_is_open_and_judge_nothing_anew_that_is_over(
    ledger: Engine,
) -> None:
    with writing(ledger) as conn:
        story(conn)
        count(conn)
        is_over = or_(delivery.c.registered_at.is_not(None), delivery.c.state.in_([state.value for state in ENDED]))
        over = select(delivery.c.id, delivery.c.register_by).where(is_over).order_by(delivery.c.id)
        before = conn.execute(over).all()
        assert {row.register_by is None for row in before} == {False}
        waiting = select(delivery.c.latest_at, delivery.c.register_by).where(delivery.c.state == S.ARRIVED.value)
        terms = [tuple(row) for row in conn.execute(waiting.order_by(delivery.c.urgency))]
        assert count(conn, moved()) > 0
        assert conn.execute(over).all() == before
        after = [tuple(row) for row in conn.execute(waiting.order_by(delivery.c.urgency))]
        assert [now > then for then, now in zip(terms, after, strict=True)] == [
            True,
            True,
            False,
        ]  # express ones: at any hour
        assert all(latest == register_by for latest, register_by in after)
        assert count(conn) > 0
        assert misjudged(conn) == []


def test_a_change_whose_router_is_gone_is_begun_anew_by_others(ledger: Engine, few: None) -> None:  # noqa: ARG001 - a fixture
    with writing(ledger) as conn:
        story(conn)
        forget(conn)
        counting.step(conn, [Turn(TERMS)])
        assert count(conn, moved()) > 0
        assert not counting.is_counting(conn, moved())
        assert counting.is_counting(conn, TERMS)


@pytest.mark.parametrize(
    "other",
    [
        moved(),
        replace(TERMS, at_once=60.0),
        replace(TERMS, any_hour_from=Urgency.URGENT),
        replace(TERMS, calendar=replace(TERMS.calendar, country="LA")),
        replace(TERMS, calendar=replace(TERMS.calendar, zone="Europe/Berlin")),
        replace(TERMS, calendar=replace(TERMS.calendar, hours=TERMS.calendar.hours[:1])),
    ],
)
def test_terms_are_known_by_all_that_a_deadline_hangs_on(other: Terms) -> None:
    assert counting.mark_of(other) != counting.mark_of(TERMS)
    assert counting.mark_of(replace(TERMS)) == counting.mark_of(TERMS)


def test_a_rule_that_changes_has_everything_counted_anew(ledger: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with writing(ledger) as conn:
        count(conn)
        assert counting.counted_by(conn, TERMS) is CountedBy.OWN
        monkeypatch.setattr(counting, "RULES", counting.RULES + 1)
        counting.mark_of.cache_clear()
        try:
            assert counting.is_counting(conn, TERMS)
        finally:
            monkeypatch.undo()
            counting.mark_of.cache_clear()


def test_the_number_of_the_rules_is_that_of_what_they_judge() -> None:
    """Another digest: a rule has changed. Raise :data:`counting.RULES` and enter it here."""
    calendar = WorkingCalendar("Asia/Ho_Chi_Minh", parse_office_hours("08:00-12:00, 13:00-17:00"))
    terms = Terms(calendar, at_once=1800.0, any_hour_from=Urgency.EXPRESS)
    hours = [START + number * 7 * 3_600_000 for number in range(25)]
    judged = [
        (state.value, int(urgency), since - START, *_shifted(owing.Owing(terms).of(state, since, urgency, due)))
        for state in Status
        for urgency in Urgency
        for since in hours
        for due in (None, since - 1, since + 86_400_000)
    ]
    assert (counting.RULES, sha256(repr(judged).encode()).hexdigest()[:16]) == (1, "41d1eca862f3c176")


def _shifted(columns: owing.OwedColumns) -> tuple[object, ...]:
    return tuple(value - START if isinstance(value, int) else value for value in columns)


@pytest.mark.usefixtures("few")
async def test_two_routers_whose_terms_differ_do_not_undo_each_others_counting(ledger: Engine) -> None:
    with writing(ledger) as conn:
        story(conn)
        forget(conn)
    writer = Writer(ledger)
    both = [Deadlines(ledger, writer, terms, pause=0.001) for terms in (TERMS, moved())]
    with capture_logs() as logs:
        async with asyncio.timeout(30):
            while True:
                await asyncio.gather(*(deadlines.look() for deadlines in both))
                if sum(entry["event"] == Event.DEADLINES_COUNTED for entry in logs) == len(both):
                    break
        for _ in range(3):
            await asyncio.gather(*(deadlines.look() for deadlines in both))
    await asyncio.to_thread(writer.close)
    told = [entry["event"] for entry in logs]
    assert told.count(Event.DEADLINES_COUNTED) == len(both), "each once, whoever was first"
    assert 1 <= told.count(Event.DEADLINES_DIFFER) <= len(both)
    with reading(ledger) as conn:
        stands = {counting.counted_by(conn, terms) for terms in (TERMS, moved())}
    assert stands == {CountedBy.OWN, CountedBy.OTHER}


async def test_a_router_counts_at_its_start_beside_what_it_records(ledger: Engine) -> None:
    with writing(ledger) as conn:
        story(conn)
        forget(conn)
    writer = Writer(ledger)
    deadlines = Deadlines(ledger, writer, TERMS)
    await deadlines.look()
    await deadlines.look()
    await asyncio.to_thread(writer.close)
    with reading(ledger) as conn:
        assert misjudged(conn) == []
