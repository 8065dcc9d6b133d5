"""Counts anew what is owed for the deliveries when the terms have changed: a moved holiday, other hours, a new rule.

It goes through the deliveries in steps of some rows, each a transaction that also notes how far it came, so a router
that is killed goes on where it was. What is recorded meanwhile is counted by the new terms already.

Two routers whose terms differ would each begin anew what the other has begun, without end. So whoever finds that other
terms are coming waits, and begins only when these have not come further by the next look: their router is gone then.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import version
from typing import Any

from sqlalchemy import Connection, Row, select

from router.ledger.bulk import update_rows
from router.ledger.models import counted_terms, delivery
from router.ledger.way import owing
from router.ledger.way.owing import Owing
from router.storage.statements import chunks, insert_of
from schemas.duties import Terms
from schemas.states import ENDED, Status

AT_ONCE = 500
"""Deliveries of one step."""
RULES = 1
"""Of :mod:`schemas.duties`: raised when a rule changes, so that everything is counted anew."""
_DELIVERIES = "deliveries"
_COLUMNS = ("id", "register_by", *owing.COLUMNS)
_row = delivery.c
_SELECT = select(
    *(_row.id, _row.state, _row.state_at, _row.urgency, _row.due_at, _row.arrived_at, _row.registered_at),
    *(_row.register_by, *(_row[name] for name in owing.COLUMNS)),
)


@dataclass(frozen=True, slots=True)
class Turn:
    """One step: by what terms, and how far others' had come at the look before; empty: nothing was seen of any."""

    terms: Terms
    stood: str = ""


@dataclass(frozen=True, slots=True)
class CountedSome:
    """What a step did: how many deliveries changed, and whether everything is counted now.

    ``other``: nothing was done, because other terms than these were coming; how far.
    """

    changed: int
    is_done: bool
    other: str = ""


class CountedBy(StrEnum):
    """By what terms the deliveries stand, seen by somebody's own."""

    OWN = "own"
    COMING = "coming"
    """Not all of them by one's own yet."""
    OTHER = "other"
    """By others, or these are coming."""


@lru_cache(maxsize=4)
def mark_of(terms: Terms) -> str:
    """By what terms are known again: all that a deadline hangs on."""
    calendar, days = terms.calendar, terms.calendar.exceptions
    parts = (
        *(RULES, version("holidays"), calendar.zone, calendar.hours, calendar.country),
        *(sorted(days.off), sorted(days.work), terms.at_once, int(terms.any_hour_from)),
    )
    return sha256(repr(parts).encode()).hexdigest()


def is_counting(conn: Connection, terms: Terms) -> bool:
    """Whether some deliveries may still stand as other terms counted them."""
    return counted_by(conn, terms) is not CountedBy.OWN


def counted_by(conn: Connection, terms: Terms) -> CountedBy:
    """By what terms the deliveries stand now."""
    kept = counted_terms.c
    found = conn.execute(select(kept.counted, kept.coming).where(kept.name == _DELIVERIES)).one_or_none()
    counted, coming = found or ("", "")
    latest = coming or counted
    if latest and latest != mark_of(terms):
        return CountedBy.OTHER
    return CountedBy.OWN if latest and not coming else CountedBy.COMING


def step(conn: Connection, turns: Sequence[Turn]) -> list[CountedSome]:
    """Go a step for each turn; nothing is done once everything stands by its terms, or while others' are coming."""
    return [_step(conn, turn) for turn in turns]


def recount(conn: Connection, delivery_ids: Iterable[str]) -> None:
    """Count some deliveries anew, in a transaction that has changed since when they are in their states."""
    by = owing.by_office()
    for some in chunks(sorted(delivery_ids)):
        _count(conn, by, conn.execute(_SELECT.where(_row.id.in_(some))).all())


def _step(conn: Connection, turn: Turn) -> CountedSome:
    mark, kept = mark_of(turn.terms), counted_terms.c
    found = select(kept.counted, kept.coming, kept.after).where(kept.name == _DELIVERIES).with_for_update()
    counted, coming, after = conn.execute(found).one_or_none() or ("", "", "")
    if counted == mark and not coming:
        return CountedSome(0, is_done=True)
    if coming not in ("", mark) and after != turn.stood:
        return CountedSome(0, is_done=False, other=after)
    statement = _SELECT.where(_row.id > (after if coming == mark else "")).order_by(_row.id).limit(AT_ONCE)
    rows = conn.execute(statement.with_for_update()).all()
    changed = _count(conn, owing.by_terms(turn.terms), rows)
    if len(rows) < AT_ONCE:
        values = {"counted": mark, "coming": "", "after": ""}
    else:
        values = {"coming": mark, "after": rows[-1].id}
    entered = insert_of(conn, counted_terms).values(name=_DELIVERIES, **values)
    conn.execute(entered.on_conflict_do_update(index_elements=["name"], set_=values))
    return CountedSome(changed, is_done=len(rows) < AT_ONCE)


def _count(conn: Connection, by: Owing, rows: Sequence[Row[Any]]) -> int:
    new = [(row.id, _register_by(by, row), *_owed(by, row)) for row in rows]
    differ = [values for values, row in zip(new, rows, strict=True) if values[1:] != tuple(row)[-len(values) + 1 :]]
    update_rows(conn, delivery, _COLUMNS, differ)
    return len(differ)


def _owed(by: Owing, row: Row[Any]) -> tuple[Any, ...]:
    registered = row.registered_at is not None
    return by.of(Status(row.state), row.state_at, row.urgency, row.due_at, registered=registered)


def _register_by(by: Owing, row: Row[Any]) -> int | None:
    """What is registered or has ended was so by the terms of then; what is older than such terms is judged by these."""
    is_over = row.registered_at is not None or Status(row.state) in ENDED
    if row.arrived_at is None or (is_over and row.register_by is not None):
        return row.register_by  # type: ignore[no-any-return]  # a column's value
    return by.register_by(row.arrived_at, row.urgency)
