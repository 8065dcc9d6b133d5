"""What is urgent and new at a unit: documents that nobody has registered, tasks that somebody was given."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, text

from consumers.reading.inbox import InboxEntry, entry_columns, read_entry
from consumers.spool.handling import TaskPart
from consumers.spool.models import inbox, letter, task
from consumers.spool.scope import UnitScope
from schemas.states import Status

_UNREGISTERED = (Status.TAKEN, Status.ARRIVED)
_URGENT = text("inbox.urgency > 0")
"""As the index of these says it."""


@dataclass(frozen=True, slots=True)
class UrgentTask:
    """What somebody was given to do; ``pos`` names the task for ever, times are UTC ms."""

    entry: InboxEntry
    pos: int
    person: str
    part: TaskPart
    since: int
    until: int | None


def unregistered(conn: Connection, units: Collection[str], *, since: int, limit: int) -> list[InboxEntry]:
    """Urgent documents of a scope that came since a time (UTC ms) and are not registered, of many the newest."""
    waiting = inbox.c.state.in_([state.value for state in _UNREGISTERED])
    wanted = UnitScope.of(units).documents, waiting, _URGENT, inbox.c.taken_at >= since
    rows = select(*entry_columns()).join(letter, letter.c.pos == inbox.c.letter_pos)
    return [read_entry(row) for row in conn.execute(rows.where(*wanted).order_by(inbox.c.pos.desc()).limit(limit))]


def tasks(conn: Connection, people: Collection[str], *, since: int, limit: int) -> list[UrgentTask]:
    """Open tasks about urgent documents that people were given since a time (UTC ms); of too many the newest."""
    given = task.c.person.in_(people), task.c.ended_at.is_(None), task.c.since >= since
    columns = task.c.pos, task.c.person, task.c.part, task.c.since, task.c.until
    joined = inbox.join(letter, letter.c.pos == inbox.c.letter_pos).join(task, task.c.inbox_pos == inbox.c.pos)
    rows = select(*columns, *entry_columns()).select_from(joined).where(*given, _URGENT)
    return [
        UrgentTask(read_entry(row[5:]), row[0], row[1], TaskPart(row[2]), row[3], row[4])
        for row in conn.execute(rows.order_by(task.c.pos.desc()).limit(limit))
    ]


def count_waiting(conn: Connection, person: str, *, registers: Collection[str], sees: Collection[str]) -> int:
    """How many urgent documents wait for a person: not registered where they register, or given to them to do."""
    unregistered = (
        UnitScope.of(registers).documents,
        inbox.c.state.in_([state.value for state in _UNREGISTERED]),
        _URGENT,
    )
    given = select(func.count(inbox.c.pos.distinct())).join(task, task.c.inbox_pos == inbox.c.pos)
    of_person = task.c.person == person, task.c.ended_at.is_(None), _URGENT, UnitScope.of(sees).documents_beside
    mine = conn.scalar(given.where(*of_person))
    return (conn.scalar(select(func.count()).select_from(inbox).where(*unregistered)) or 0) + (mine or 0)
