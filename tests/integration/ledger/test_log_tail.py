"""The end of the log, read once for all: every entry once, late ones too, and who was away gets what it has not got."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from router.ledger.engine import reading, writing
from router.ledger.queries import Filter, log_tail, read_log
from router.ledger.queries.log_tail import Fresh, LogTail
from router.ledger.scope import EVERYTHING, Scope
from router.rules.number_ranges import Received
from schemas.clock import now_ms
from schemas.states import Status
from support.ledgers import Clerk, unit

CODES = ("LCA.02", "LCA.02.05", "LCA.02.05.01", "LCA.03", "LCA.030")
PATTERNS = [*CODES, "LCA.#", "LCA.02.#", "LCA.*", "LCA.02.*", "LCA.02.05.*"]
REASONS = ("", "Disk full", "disk 100% full", "away_for_good")
BEGAN = now_ms()
some_patterns = st.lists(st.sampled_from(PATTERNS), max_size=2).map(tuple)
filters = st.builds(
    Filter,
    units=some_patterns,
    issuers=some_patterns,
    states=st.frozensets(st.sampled_from([Status.QUEUED, Status.PARKED, Status.ARRIVED]), max_size=2),
    since=st.none() | st.integers(BEGAN, BEGAN + 60_000),
    until=st.none() | st.integers(BEGAN, BEGAN + 60_000),
    urgency=st.sampled_from([(0, 4), (2, 4), (0, 1)]),
    texts=st.lists(st.sampled_from(["kiểm", "KIEM tra", "9-CV", "%"]), max_size=2).map(tuple),
    reason=st.sampled_from(["", "disk", "FULL", "100%", "_"]),
)
own = st.lists(st.sampled_from([item for item in PATTERNS if not item.endswith("*")]), max_size=2).map(tuple)
scopes = st.just(EVERYTHING) | st.builds(Scope, units=own, issuers=own)


def _tell(clerk: Clerk) -> None:
    units = [unit(code) for code in CODES]
    for number, issuer in enumerate(("LCA", "LCA.02", "LCA.03")):
        key = clerk.dispatch(issuer, units, notation=f"{number * 9}-CV/TU", urgency=number * 2 % 4)
        for place, code in enumerate(CODES):
            clerk.tell(key, code, Status.QUEUED)
            if place % 2:
                clerk.tell(key, code, Status.PARKED, reason=REASONS[(place + number) % 4])


@pytest.fixture
def told(ledger: Engine) -> tuple[Engine, list[Fresh]]:
    """A ledger in which something has happened, and how its tail was read."""
    tail = LogTail()
    with reading(ledger) as conn:
        assert tail.read(conn) == []
    with writing(ledger) as conn:
        _tell(Clerk(conn, now=BEGAN))
    with reading(ledger) as conn:
        return ledger, tail.read(conn)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(scope=scopes, wanted=filters)
def test_what_fits_is_what_the_ledger_would_give(
    told: tuple[Engine, list[Fresh]], scope: Scope, wanted: Filter
) -> None:
    engine, fresh = told
    with reading(engine) as conn:
        assert read_log(conn, scope, wanted) == [item.entry for item in fresh if log_tail.fits(item, scope, wanted)]


def test_every_entry_is_read_once_and_its_name_tells_what_has_come(ledger: Engine) -> None:
    tail = LogTail()
    found: list[Fresh] = []
    for _ in range(3):
        with reading(ledger) as conn:
            found += tail.read(conn)
        with writing(ledger) as conn:
            _tell(Clerk(conn, now=now_ms()))
    with reading(ledger) as conn:
        assert [item.entry for item in found] == read_log(conn, EVERYTHING)[: len(found)]
    for item in found:
        name = log_tail.name_of(item.seen)
        assert log_tail.read_name(name) == item.seen
        assert item.seen.holds(item.entry.pos)


def test_an_entry_that_comes_in_late_is_read_and_told_to_who_was_away(ledger: Engine) -> None:
    if ledger.dialect.name == "sqlite":
        pytest.skip("on SQLite one writer follows the other")
    tail = LogTail()
    with writing(ledger) as conn:
        clerk = Clerk(conn, now=now_ms())
        keys = [clerk.dispatch("LCA", [unit("LCA.02")]) for _ in range(2)]
    with reading(ledger) as conn:
        tail.read(conn)
    places: list[Any] = []
    with writing(ledger) as slow:
        Clerk(slow, now=now_ms(), deliveries=clerk.deliveries).tell(keys[0], "LCA.02", Status.QUEUED)
        with writing(ledger) as quick:
            Clerk(quick, now=now_ms(), deliveries=clerk.deliveries).tell(keys[1], "LCA.02", Status.QUEUED)
        with reading(ledger) as conn:
            (early,) = tail.read(conn)
    with reading(ledger) as conn:
        (late,) = tail.read(conn)
        places = [early.entry.pos, late.entry.pos]
        away = log_tail.missed(conn, EVERYTHING, Filter(), has=early.seen, come=tail.seen)
    assert places == sorted(places, reverse=True)
    assert [entry.pos for entry, _ in away.entries] == [late.entry.pos]
    assert away.entries[-1][1] == tail.seen


@given(st.sets(st.integers(1, 60)), st.sets(st.integers(1, 60)), st.integers(0, 40), st.integers(0, 40))
def test_who_was_away_is_told_what_it_has_not_got_whatever_it_has(
    has: set[int], come: set[int], has_through: int, come_through: int
) -> None:
    mine, all_ = (
        Received(through).joined(Received(0, tuple((place, place) for place in sorted(places))))
        for through, places in ((has_through, has), (come_through, come))
    )
    for place in range(1, 61):
        both = place <= has_through or place in has or place <= come_through or place in come
        assert mine.joined(all_).holds(place) == both
        assert mine.holds(place) == (place <= has_through or place in has)
    assert mine.joined(all_) == all_.joined(mine)
