"""What a unit reports of a time: what came and how it was dealt with, in time or late, and what went out.

Everything is said of the documents that came in that time, as they are now; deadlines are those of
:mod:`schemas.duties`. Pure, from rows of :mod:`consumers.spool.course`.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from schemas.clock import day_at
from schemas.dispatch import Urgency
from schemas.duties import Course, Terms, owed
from schemas.states import IN_WORK, Status

_TO_REGISTER = {Status.TAKEN, Status.ARRIVED, Status.CHANGE_REFUSED}
"""What is not registered in these states has to be."""


class Fared(NamedTuple):
    """A document as far as reports go; times are UTC ms, None: it did not come to that."""

    urgency: int
    type: str
    issuer: str
    state: str
    state_at: int
    taken_at: int
    registered_at: int | None
    lead: str
    directed_at: int | None
    until: int | None
    answer: str


@dataclass(slots=True)
class LeadRow:
    """What was given to one department or person."""

    directed: int = 0
    completed: int = 0
    in_time: int = 0
    late: int = 0
    open: int = 0
    overdue: int = 0


@dataclass(slots=True)
class DeskReport:
    """The figures."""

    came: int = 0
    registered: int = 0
    in_time: int = 0
    """Registered when the decree wants it."""
    late: int = 0
    unregistered: int = 0
    overdue: int = 0
    """Not registered, and late by now."""
    sent_back: int = 0
    given_back: int = 0
    kept: int = 0
    """After a recall."""
    completed: int = 0
    open: int = 0
    answered: int = 0
    urgencies: Counter[int] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    issuers: Counter[str] = field(default_factory=Counter)
    leads: dict[str, LeadRow] = field(default_factory=dict)


def report(rows: Iterable[Fared], terms: Terms, now: int) -> DeskReport:
    """Count them.

    Args:
        rows: what came.
        terms: by which deadlines are counted.
        now: the present, UTC ms.
    """
    found, latest = DeskReport(), _latest(terms)
    for row in rows:
        found.came += 1
        found.urgencies[row.urgency] += 1
        found.types[row.type] += 1
        found.issuers[row.issuer] += 1
        _count_register(found, row, latest, now)
        _count_state(found, row)
        if row.lead:
            _count_lead(found.leads.setdefault(row.lead, LeadRow()), row, now)
    return found


def _count_register(found: DeskReport, row: Fared, latest: Callable[[Fared], int], now: int) -> None:
    if row.registered_at is not None:
        found.registered += 1
        if row.registered_at <= latest(row):
            found.in_time += 1
        else:
            found.late += 1
    elif row.state in _TO_REGISTER:
        found.unregistered += 1
        found.overdue += now > latest(row)
    elif row.state == Status.TAKE_BACK_REQUESTED:
        found.unregistered += 1  # and nobody is to register it before that is answered


def _count_state(found: DeskReport, row: Fared) -> None:
    found.sent_back += row.state == Status.REFUSED
    found.given_back += row.state == Status.RECALLED
    found.kept += row.state == Status.CHANGE_REFUSED
    found.completed += row.state == Status.COMPLETED
    found.open += row.state in IN_WORK and row.registered_at is not None
    found.answered += bool(row.answer)


def _count_lead(lead: LeadRow, row: Fared, now: int) -> None:
    lead.directed += 1
    if row.state == Status.COMPLETED:
        lead.completed += 1
        if row.until is None or row.state_at <= row.until:
            lead.in_time += 1
        else:
            lead.late += 1
    elif row.state in IN_WORK:
        lead.open += 1
        lead.overdue += row.until is not None and now > row.until


def _latest(terms: Terms) -> Callable[[Fared], int]:
    """When a document should be registered at the latest; of normal ones the same for all of a day."""
    zone = terms.calendar.zone
    days: dict[date, int] = {}

    def owed_at(since: int, urgency: Urgency) -> int:
        return owed(Course(Status.ARRIVED, since, urgency), terms)[0].latest or since

    def latest(row: Fared) -> int:
        if row.urgency != Urgency.NORMAL:
            return owed_at(row.taken_at, Urgency(row.urgency))
        day = day_at(row.taken_at, zone)
        if day not in days:
            days[day] = owed_at(row.taken_at, Urgency.NORMAL)
        return days[day]

    return latest
