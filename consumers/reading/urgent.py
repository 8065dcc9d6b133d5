"""What is urgent and new at a unit: documents that nobody has registered, tasks that somebody was given."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, text

from consumers.reading.inbox import InboxEntry, entry_columns, read_entry
from consumers.spool.handling import TaskPart
from consumers.spool.models import inbox, letter, task
from schemas.descriptor import is_classified
from schemas.states import Status

_UNREGISTERED = (Status.TAKEN, Status.ARRIVED)
_URGENT = text("inbox.urgency > 0")
"""As the index of these says it."""


@dataclass(frozen=True, slots=True)
class UrgentDocument:
    """A document, and whether it is classified: then nothing of it is told outside of the desk."""

    entry: InboxEntry
    is_classified: bool


@dataclass(frozen=True, slots=True)
class UrgentTask:
    """What somebody was given to do; ``pos`` names the task for ever, times are UTC ms."""

    document: UrgentDocument
    pos: int
    person: str
    part: TaskPart
    since: int
    until: int | None


def unregistered(conn: Connection, units: Collection[str], *, since: int, limit: int) -> list[UrgentDocument]:
    """Urgent documents of units that came since a time (UTC ms) and are not registered, the oldest first."""
    waiting = inbox.c.state.in_([state.value for state in _UNREGISTERED])
    wanted = inbox.c.unit.in_(units), waiting, _URGENT, inbox.c.taken_at >= since
    rows = select(*entry_columns(), letter.c.body).join(letter, letter.c.pos == inbox.c.letter_pos)
    return [
        UrgentDocument(read_entry(row[:-1]), is_classified(row[-1]))
        for row in conn.execute(rows.where(*wanted).order_by(inbox.c.pos).limit(limit))
    ]


def tasks(conn: Connection, people: Collection[str], *, since: int, limit: int) -> list[UrgentTask]:
    """Open tasks about urgent documents that people were given since a time (UTC ms), the oldest first."""
    given = task.c.person.in_(people), task.c.ended_at.is_(None), task.c.since >= since
    columns = task.c.pos, task.c.person, task.c.part, task.c.since, task.c.until
    joined = inbox.join(letter, letter.c.pos == inbox.c.letter_pos).join(task, task.c.inbox_pos == inbox.c.pos)
    rows = select(*columns, letter.c.body, *entry_columns()).select_from(joined).where(*given, _URGENT)
    return [
        UrgentTask(
            UrgentDocument(read_entry(row[6:]), is_classified(row[5])),
            row[0],
            row[1],
            TaskPart(row[2]),
            row[3],
            row[4],
        )
        for row in conn.execute(rows.order_by(task.c.pos).limit(limit))
    ]


def count_waiting(conn: Connection, person: str, units: Collection[str]) -> int:
    """How many urgent documents wait for a person: not registered at these units, or given to the person to do."""
    unregistered = inbox.c.unit.in_(units), inbox.c.state.in_([state.value for state in _UNREGISTERED]), _URGENT
    given = select(func.count(inbox.c.pos.distinct())).join(task, task.c.inbox_pos == inbox.c.pos)
    mine = conn.scalar(given.where(task.c.person == person, task.c.ended_at.is_(None), _URGENT))
    return (conn.scalar(select(func.count()).select_from(inbox).where(*unregistered)) or 0) + (mine or 0)


def classified(conn: Connection, ids: Collection[str]) -> frozenset[str]:
    """Those of some deliveries that are classified."""
    rows = select(inbox.c.delivery_id, letter.c.body).join(letter, letter.c.pos == inbox.c.letter_pos)
    found = conn.execute(rows.where(inbox.c.delivery_id.in_(list(ids))))
    return frozenset(delivery for delivery, body in found if is_classified(body))
