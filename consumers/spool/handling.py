"""How a document is dealt with at its unit: each step kept, and who has to do what next."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import Connection, Row, exists, func, insert, select, text, update

from consumers.spool.models import inbox, receipt, step, task
from consumers.spool.scope import UnitScope
from schemas.clock import Day
from schemas.model import Travelling, parse
from schemas.states import Status, steps_back
from schemas.text import OneLine

MAX_NAMED = 50
"""People or departments that one direction names for each part."""
MAX_WORDS = 2000


class StepKind(StrEnum):
    """What was done."""

    REGISTERED = "registered"
    REFUSED = "refused"
    SUBMITTED = "submitted"
    """Trình: put before a leader."""
    DIRECTED = "directed"
    """Chỉ đạo: the leader said who does what by when."""
    PROCESSED = "processed"
    """Somebody has begun."""
    NOTED = "noted"
    COMPLETED = "completed"
    CHANGE_REFUSED = "change_refused"
    GIVEN_BACK = "given_back"
    """Every copy was destroyed, as its issuer had asked."""
    CORRECTED = "corrected"
    """Its entry in the register was put right."""
    UNDONE = "undone"
    """Phục hồi: the step before was a mistake."""


STEP_OF = {
    Status.REFUSED: StepKind.REFUSED,
    Status.REGISTERED: StepKind.REGISTERED,
    Status.ASSIGNED: StepKind.DIRECTED,
    Status.PROCESSING: StepKind.PROCESSED,
    Status.COMPLETED: StepKind.COMPLETED,
}
"""The step that brought a document into a state."""


def steps_behind(state: Status) -> Collection[StepKind]:
    """The steps that brought a document further than a state."""
    return [kind for reached, kind in STEP_OF.items() if state in steps_back(reached)]


class TaskPart(StrEnum):
    """What somebody has to do about a document."""

    DIRECT = "direct"
    """To say who does what: whom it was submitted to."""
    LEAD = "lead"
    """Chủ trì."""
    COORDINATE = "coordinate"
    """Phối hợp."""
    KNOW = "know"
    """Để biết."""


_Words = Annotated[OneLine, Field(max_length=200)]


class StepDetail(Travelling):
    """What a step said; a field that it has no use for is left out."""

    words: Annotated[str, Field(max_length=MAX_WORDS)] = ""
    """The instruction, the note, or the reason."""
    lead: _Words = ""
    """Who leads: a name as it was then, or a department."""
    coordinate: Annotated[tuple[_Words, ...], Field(max_length=MAX_NAMED)] = ()
    know: Annotated[tuple[_Words, ...], Field(max_length=MAX_NAMED)] = ()
    until: Day | None = None
    """By which day."""
    until_ms: int | None = None
    """The end of that day's office hours, UTC ms."""
    leader: _Words = ""
    """Whom it was submitted to."""
    answer: Annotated[OneLine, Field(max_length=100)] = ""
    """The notation of the document that answers it."""
    number: Annotated[OneLine, Field(max_length=100)] = ""
    """The arrival number and its book."""
    undone: StepKind | None = None
    """The step that was a mistake."""


@dataclass(frozen=True, slots=True)
class HandlingStep:
    """One step: when (UTC ms), by whom, and what was said."""

    kind: StepKind
    at: int
    person: str
    full_name: str
    detail: StepDetail
    undone: bool = False
    """A later step took it back."""


@dataclass(frozen=True, slots=True)
class Task:
    """What somebody has to do. Times are UTC ms; ``until`` None: no day is set; ``ended_at`` None: it is open."""

    person: str
    part: TaskPart
    since: int
    until: int | None = None
    ended_at: int | None = None


def seen(conn: Connection, inbox_pos: int) -> str:
    """What a page that shows a document now has seen of it; another after anything was said of it."""
    said = select(func.count(), func.max(receipt.c.pos)).where(receipt.c.inbox_pos == inbox_pos)
    done = select(func.count(), func.max(step.c.pos)).where(step.c.inbox_pos == inbox_pos)
    state = conn.scalars(select(inbox.c.state).where(inbox.c.pos == inbox_pos)).one()
    return ".".join(str(part or 0) for part in (state, *conn.execute(said).one(), *conn.execute(done).one()))


def add_step(conn: Connection, inbox_pos: int, new: HandlingStep) -> int:
    """Keep a step, in the transaction of what it did; its place, by which that is known."""
    values = {
        "inbox_pos": inbox_pos,
        "kind": new.kind.value,
        "at": new.at,
        "person": new.person,
        "full_name": new.full_name,
        "detail": new.detail.model_dump_json(exclude_defaults=True),
    }
    place: int = conn.scalars(insert(step).values(values).returning(step.c.pos)).one()
    return place


def steps(conn: Connection, inbox_pos: int) -> list[HandlingStep]:
    """All steps of a document, oldest first."""
    rows = conn.execute(select(step).where(step.c.inbox_pos == inbox_pos).order_by(step.c.pos))
    return [_step(row) for row in rows]


def _step(row: Row[Any]) -> HandlingStep:
    detail = parse(StepDetail, row.detail, what="step")
    return HandlingStep(StepKind(row.kind), row.at, row.person, row.full_name, detail, row.undone)


def has_steps(conn: Connection, delivery_id: str) -> bool:
    """Whether somebody at the desk has dealt with a document."""
    dealt = exists().where(step.c.inbox_pos == inbox.c.pos, inbox.c.delivery_id == delivery_id)
    return bool(conn.scalar(select(dealt)))


def end_tasks(
    conn: Connection,
    inbox_pos: int,
    at: int,
    parts: Collection[TaskPart] = tuple(TaskPart),
    *,
    by: int | None = None,
) -> None:
    """End what is open of a document, or certain parts of it; ``by``: the place of the step that does, if any does."""
    open_ones = (
        task.c.inbox_pos == inbox_pos,
        task.c.ended_at.is_(None),
        task.c.part.in_([part.value for part in parts]),
    )
    conn.execute(update(task).where(*open_ones).values(ended_at=at, ended_by=by))


def take_back(conn: Connection, inbox_pos: int, kinds: Collection[StepKind], at: int, *, by: int | None = None) -> None:
    """Take back the first step of these kinds, and what was done after it: tasks are as before.

    Args:
        conn: a transaction that writes.
        inbox_pos: the document.
        kinds: of steps; a command's left none here, and gave no tasks.
        at: the present, UTC ms.
        by: the place of the step that says so; None: the ledger says so.
    """
    of_it = step.c.inbox_pos == inbox_pos, ~step.c.undone, step.c.kind != StepKind.UNDONE.value
    first = (
        select(func.min(step.c.pos)).where(*of_it, step.c.kind.in_([kind.value for kind in kinds])).scalar_subquery()
    )
    undone = conn.scalars(select(step.c.pos).where(*of_it, step.c.pos >= first)).all()
    conn.execute(update(step).where(step.c.pos.in_(undone)).values(undone=True))
    here, given = task.c.inbox_pos == inbox_pos, func.coalesce(task.c.given_by, 0).in_(undone)
    conn.execute(update(task).where(here, given, task.c.ended_at.is_(None)).values(ended_at=at, ended_by=by))
    conn.execute(update(task).where(here, ~given, task.c.ended_by.in_(undone)).values(ended_at=None, ended_by=None))


def give_tasks(conn: Connection, inbox_pos: int, new: Iterable[Task], *, by: int) -> None:
    """Give people something to do; ``by`` is the place of the step that does."""
    rows = [
        {
            "inbox_pos": inbox_pos,
            "person": item.person,
            "part": item.part.value,
            "since": item.since,
            "until": item.until,
            "given_by": by,
        }
        for item in new
    ]
    if rows:
        conn.execute(insert(task), rows)


def tasks(conn: Connection, inbox_pos: int) -> list[Task]:
    """Who has or had to do what about a document, the latest first."""
    rows = conn.execute(select(task).where(task.c.inbox_pos == inbox_pos).order_by(task.c.pos.desc()))
    return [Task(row.person, TaskPart(row.part), row.since, row.until, row.ended_at) for row in rows]


def tasks_of(conn: Connection, person: str, units: Collection[str], *, limit: int) -> list[tuple[str, Task]]:
    """What a person has to do at units now, the earliest day first, each with the delivery's id."""
    columns = inbox.c.delivery_id, task.c.person, task.c.part, task.c.since, task.c.until, task.c.ended_at
    mine = task.c.person == person, text("task.ended_at IS NULL"), UnitScope.of(units).documents
    rows = select(*columns).join(inbox, inbox.c.pos == task.c.inbox_pos).where(*mine)
    ordered = rows.order_by(task.c.until.is_(None), task.c.until, task.c.pos).limit(limit)
    return [(row[0], Task(row[1], TaskPart(row[2]), *row[3:])) for row in conn.execute(ordered)]
