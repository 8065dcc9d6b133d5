"""What is owed is counted by the terms of now, after an upgrade and after a change, whatever is killed meanwhile."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, select, update

from router.delivery.deadlines import Deadlines
from router.ledger.engine import reading, writing
from router.ledger.models import counted_terms, delivery
from router.ledger.way import counting, owing
from router.ledger.writer import Writer
from schemas.clock import day_at
from schemas.dispatch import Urgency
from schemas.duties import Terms
from schemas.office import office_terms
from schemas.states import Status
from schemas.working_calendar import Exceptions
from support.ledgers import START, Clerk, unit
from support.owing import misjudged

S = Status
TERMS = office_terms()
UNITS = [unit(f"LCA.{number:02}") for number in range(8)]
ENDS = (S.QUEUED,), (S.ARRIVED,), (S.ARRIVED, S.REGISTERED), (S.ARRIVED, S.REGISTERED, S.COMPLETED), (S.PARKED,)


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
    changed = 0
    while True:
        (step,) = counting.step(conn, [terms])
        changed += step.changed
        if step.is_done:
            return changed


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several steps for few rows."""
    monkeypatch.setattr(counting, "AT_ONCE", 5)


def forget(conn: Connection) -> None:
    """Leave it as a ledger of before stands after its upgrade."""
    conn.execute(update(delivery).values(dict.fromkeys(("register_by", *owing.COLUMNS))))


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
            counting.step(conn, [TERMS])
            assert conn.scalars(select(counted_terms.c.after)).one() > before or before == ""
    with writing(ledger) as conn:
        assert counting.is_counting(conn, TERMS)
        count(conn)
        assert misjudged(conn) == []


@pytest.mark.usefixtures("few")
def test_days_that_are_moved_move_the_terms_of_what_is_open_and_judge_nothing_anew_that_is_registered(
    ledger: Engine,
) -> None:
    with writing(ledger) as conn:
        story(conn)
        count(conn)
        registered = select(delivery.c.id, delivery.c.register_by).where(delivery.c.registered_at.is_not(None))
        before = conn.execute(registered.order_by(delivery.c.id)).all()
        waiting = select(delivery.c.latest_at, delivery.c.register_by).where(delivery.c.state == S.ARRIVED.value)
        terms = [tuple(row) for row in conn.execute(waiting.order_by(delivery.c.urgency))]
        assert count(conn, moved()) > 0
        assert conn.execute(registered.order_by(delivery.c.id)).all() == before
        after = [tuple(row) for row in conn.execute(waiting.order_by(delivery.c.urgency))]
        assert [now > then for then, now in zip(terms, after, strict=True)] == [
            True,
            True,
            False,
        ]  # express ones: at any hour
        assert all(latest == register_by for latest, register_by in after)
        assert count(conn) > 0
        assert misjudged(conn) == []


def test_a_change_that_comes_while_it_is_counted_begins_anew(ledger: Engine, few: None) -> None:  # noqa: ARG001 - a fixture
    with writing(ledger) as conn:
        story(conn)
        forget(conn)
        counting.step(conn, [TERMS])
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


async def test_a_router_counts_at_its_start_beside_what_it_records(ledger: Engine) -> None:
    with writing(ledger) as conn:
        story(conn)
        forget(conn)
    writer = Writer(ledger)
    deadlines = Deadlines(writer, TERMS)
    await deadlines.look()
    await deadlines.look()
    await asyncio.to_thread(writer.close)
    with reading(ledger) as conn:
        assert misjudged(conn) == []
