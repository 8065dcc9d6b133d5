"""Redrives as people see them: each with its deliveries by outcome, as far as their units are seen."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, exists, func, select

from router.errors import NotFoundError
from router.ledger.models import delivery, dispatch, redrive, redrive_item, unit
from router.ledger.redrives.authority import Authority, AuthorityKind
from router.ledger.redrives.decisions import Course, JobState, Outcome, Pace, Tally
from router.ledger.scope import Scope, within
from schemas.states import Status

MAX_ROWS = 1000


@dataclass(frozen=True, slots=True)
class RedriveJob:
    """A redrive; times are UTC ms. ``tally`` counts the deliveries that the caller sees, ``total`` is of all."""

    id: str
    maker: Authority
    by: Authority
    made_at: int
    filter: str
    cut_at: int
    reason: str
    per_minute: int | None
    watch_ms: int
    state_at: int
    course: Course
    tally: Tally

    @property
    def state(self) -> JobState:
        """How it stands."""
        return self.course.state

    @property
    def is_whole(self) -> bool:
        """Whether the caller sees all its deliveries."""
        return self.tally.total == self.course.total


@dataclass(frozen=True, slots=True)
class RedriveItem:
    """One delivery of a redrive, with how it stands now."""

    delivery_id: str
    unit: str
    unit_name: str
    notation: str
    outcome: Outcome
    sent_at: int | None
    note: str
    state: Status


def list_jobs(
    conn: Connection, scope: Scope, *, only: Sequence[JobState] = (), before: str | None = None, limit: int = 50
) -> list[RedriveJob]:
    """Redrives with a delivery that the scope sees, the latest first.

    Args:
        conn: a transaction.
        scope: what the caller sees.
        only: only those in one of these states; none: all.
        before: only those made before this one, the last of the page before.
        limit: the length of a page.
    """
    statement = select(redrive)
    if not scope.everything:
        own = exists().where(redrive_item.c.redrive_id == redrive.c.id, within(redrive_item.c.unit, scope.units))
        statement = statement.where(own)
    if only:
        statement = statement.where(redrive.c.state.in_([state.value for state in only]))
    if before is not None:
        statement = statement.where(redrive.c.id < before)
    rows = conn.execute(statement.order_by(redrive.c.id.desc()).limit(min(limit, MAX_ROWS))).all()
    tallies = tallies_of(conn, scope, [row.id for row in rows])
    return [_as_seen(read_job(row, tallies[row.id])) for row in rows]


def find_job(conn: Connection, scope: Scope, key: str) -> RedriveJob:
    """A redrive.

    Raises:
        NotFoundError: there is none with a delivery that the scope sees.
    """
    row = conn.execute(select(redrive).where(redrive.c.id == key)).first()
    tally = tallies_of(conn, scope, [key])[key]
    if row is None or not tally.total:
        raise NotFoundError(f"there is no redrive {key} for you to see")
    return _as_seen(read_job(row, tally))


def list_items(
    conn: Connection,
    scope: Scope,
    key: str,
    *,
    outcomes: Sequence[Outcome] = (),
    after: str = "",
    limit: int = 100,
) -> list[RedriveItem]:
    """Deliveries of a redrive in the order in which they are sent; the page after the delivery ``after``."""
    item = redrive_item.c
    columns = item.delivery_id, item.unit, func.coalesce(unit.c.name, ""), dispatch.c.notation
    joined = redrive_item.join(delivery).join(dispatch).outerjoin(unit, unit.c.code == item.unit)
    statement = select(*columns, item.outcome, item.sent_at, item.note, delivery.c.state).select_from(joined)
    statement = statement.where(item.redrive_id == key, item.delivery_id > after)
    if not scope.everything:
        statement = statement.where(within(item.unit, scope.units))
    if outcomes:
        statement = statement.where(item.outcome.in_([outcome.value for outcome in outcomes]))
    rows = conn.execute(statement.order_by(item.delivery_id).limit(min(limit, MAX_ROWS)))
    return [
        RedriveItem(key, code, name, notation, Outcome(outcome), sent_at, note, Status(state))
        for key, code, name, notation, outcome, sent_at, note, state in rows
    ]


def tallies_of(conn: Connection, scope: Scope, keys: Sequence[str]) -> dict[str, Tally]:
    """The deliveries of redrives by outcome, those that the scope sees."""
    item = redrive_item.c
    statement = select(item.redrive_id, item.outcome, func.count()).where(item.redrive_id.in_(keys))
    if not scope.everything:
        statement = statement.where(within(item.unit, scope.units))
    counts: defaultdict[str, dict[Outcome, int]] = defaultdict(dict)
    for key, outcome, count in conn.execute(statement.group_by(item.redrive_id, item.outcome)):
        counts[key][Outcome(outcome)] = count
    return {key: Tally(counts[key]) for key in keys}


def _as_seen(job: RedriveJob) -> RedriveJob:
    """Without what may name units that the caller does not see."""
    return job if job.is_whole else replace(job, filter="", course=replace(job.course, note=""))


def read_job(row: Any, tally: Tally) -> RedriveJob:
    """From a row of the table."""
    course = Course(
        state=JobState(row.state),
        pace=Pace(row.pace),
        allowed=row.allowed,
        total=row.total,
        send_at=row.send_at,
        per_minute=row.per_minute or 0,
        note=row.note,
    )
    return RedriveJob(
        id=row.id,
        maker=Authority(AuthorityKind(row.maker_kind), row.maker),
        by=Authority(AuthorityKind(row.by_kind), row.by),
        made_at=row.made_at,
        filter=row.filter,
        cut_at=row.cut_at,
        reason=row.reason,
        per_minute=row.per_minute,
        watch_ms=row.watch_ms,
        state_at=row.state_at,
        course=course,
        tally=tally,
    )
