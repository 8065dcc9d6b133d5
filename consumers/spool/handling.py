"""How a document is dealt with at its unit: each step kept, and who has to do what next."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field
from sqlalchemy import Connection, func, insert, select, text, update

from consumers.spool.models import inbox, receipt, step, task
from consumers.spool.scope import UnitScope
from schemas.clock import Day
from schemas.model import Travelling, parse
from schemas.states import Status
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


def add_step(conn: Connection, inbox_pos: int, new: HandlingStep) -> None:
    """Keep a step, in the transaction of what it did."""
    values = {
        "inbox_pos": inbox_pos,
        "kind": new.kind.value,
        "at": new.at,
        "person": new.person,
        "full_name": new.full_name,
        "detail": new.detail.model_dump_json(exclude_defaults=True),
    }
    conn.execute(insert(step).values(values))


def steps(conn: Connection, inbox_pos: int) -> list[HandlingStep]:
    """All steps of a document, oldest first."""
    rows = conn.execute(select(step).where(step.c.inbox_pos == inbox_pos).order_by(step.c.pos))
    return [
        HandlingStep(StepKind(row.kind), row.at, row.person, row.full_name, parse(StepDetail, row.detail, what="step"))
        for row in rows
    ]


def end_tasks(conn: Connection, inbox_pos: int, at: int, parts: Collection[TaskPart] = tuple(TaskPart)) -> None:
    """End what is open of a document, or certain parts of it."""
    open_ones = (
        task.c.inbox_pos == inbox_pos,
        task.c.ended_at.is_(None),
        task.c.part.in_([part.value for part in parts]),
    )
    conn.execute(update(task).where(*open_ones).values(ended_at=at))


def undo_tasks(conn: Connection, inbox_pos: int, kind: StepKind, at: int) -> None:
    """Have the tasks as they were before a step of a kind: what it and later ones gave ends, what they ended is open.

    Call it before the step that undoes it is kept.
    """
    of_it = step.c.inbox_pos == inbox_pos
    before = func.json_extract(step.c.detail, "$.undone") == kind.value
    undone = select(func.coalesce(func.max(step.c.pos), 0)).where(of_it, before).scalar_subquery()
    first = select(func.min(step.c.at)).where(of_it, step.c.kind == kind.value, step.c.pos > undone)
    moment = conn.scalar(first)
    if moment is None:  # a command took it, which gives no tasks
        return
    here = task.c.inbox_pos == inbox_pos
    conn.execute(update(task).where(here, task.c.ended_at.is_(None), task.c.since >= moment).values(ended_at=at))
    conn.execute(update(task).where(here, task.c.since < moment, task.c.ended_at >= moment).values(ended_at=None))


def give_tasks(conn: Connection, inbox_pos: int, new: Iterable[Task]) -> None:
    """Give people something to do."""
    rows = [
        {
            "inbox_pos": inbox_pos,
            "person": item.person,
            "part": item.part.value,
            "since": item.since,
            "until": item.until,
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
