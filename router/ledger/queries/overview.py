"""What operators see first: how much is not delivered, and what needs attention, by its cause."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, case, distinct, func, literal, select

from router.ledger.models import delivery, dispatch, line, unit, unit_trouble
from router.ledger.queries.counts import seen_from
from router.ledger.queries.filters import Flag, flagged
from router.ledger.scope import Scope
from schemas.states import UNDELIVERED, Status

CAUSES = (
    Flag.PARKED,
    Flag.EXPIRED,
    Flag.NOT_HANDED_OVER,
    Flag.LINE_DOWN,
    Flag.NOT_CONFIRMED,
    Flag.NOT_COLLECTED,
    Flag.OVERDUE,
    Flag.NO_LINE,
    Flag.PAUSED,
)
"""What needs attention, the most pressing first."""
EXPIRED_LATELY_MS = 7 * 24 * 3_600_000
"""What expired longer ago is for the list of what is stuck: it calls for nobody any more."""
_BY_REASON = {Flag.PARKED, Flag.EXPIRED}
_MOST_GROUPS = 200
_WENT_DOWN = select(line.c.since).where(line.c.unit == delivery.c.unit).scalar_subquery()


@dataclass(frozen=True, slots=True)
class Overview:
    """The figures of one moment; ``oldest_at`` is when the oldest undelivered one was made (UTC ms)."""

    undelivered: int
    oldest_at: int | None
    oldest_id: str | None
    retrying: int
    parked: int
    overdue: int
    held: int
    """Of the undelivered, those that wait for a line; the oldest is none of them."""


@dataclass(frozen=True, slots=True)
class Group:
    """Deliveries with one cause: how many, to how many units, since when (UTC ms).

    Those with a ``code`` (:mod:`schemas.reasons`) are one group, and ``reason`` is one of theirs; else all have it.
    """

    cause: Flag
    reason: str
    units: int
    deliveries: int
    since: int
    code: str = ""


@dataclass(frozen=True, slots=True)
class StuckGroup:
    """Deliveries that will not go by themselves: of one state, one reason and the units below one parent.

    Reasons with a code (:mod:`schemas.reasons`) are one reason, whatever their texts say of each unit; ``reason`` is
    then the text of one of them.
    """

    state: Status
    reason: str
    parent: str
    parent_name: str
    units: int
    deliveries: int
    since: int
    muted: bool
    """Whether its units call for nobody's attention now."""
    code: str = ""


def overview(conn: Connection, scope: Scope, *, now_ms: int) -> Overview:
    """The figures of what the scope sees."""
    row = delivery.c
    waiting, moving = row.next_due_at.is_(None), row.next_due_at.is_not(None)
    retrying = flagged(Flag.RETRYING, now_ms)
    states = [state.value for state in UNDELIVERED | {Status.PARKED}]
    parked = row.state == Status.PARKED.value
    counts = (
        select(
            _count(~parked),
            _count(retrying),
            _count(parked),
            _count(~parked & waiting & (row.paused == 0)),
            func.min(case((~parked & moving, row.id))),
        )
        .select_from(seen_from(scope))
        .where(row.state.in_(states), scope.sees_delivery())
    )
    undelivered, again, stopped, held, oldest = conn.execute(counts).one()
    made = select(row.created_at).where(row.id == oldest)
    return Overview(
        undelivered=undelivered or 0,
        oldest_at=None if oldest is None else conn.scalar(made),
        oldest_id=oldest,
        retrying=again or 0,
        parked=stopped or 0,
        overdue=_overdue(conn, scope, now_ms),
        held=held or 0,
    )


def attention(conn: Connection, scope: Scope, *, now_ms: int) -> list[Group]:
    """What needs attention, by cause and, where somebody told one, by reason; what goes to muted units does not."""
    return [group for cause in CAUSES for group in _groups(conn, scope, cause, now_ms)]


def stuck(conn: Connection, scope: Scope, *, now_ms: int) -> list[StuckGroup]:
    """What is parked or expired, by reason and parent, the largest groups first; those of muted units last."""
    row = delivery.c
    code = func.coalesce(unit.c.parent, row.unit)
    joined = delivery.join(dispatch).outerjoin(unit, unit.c.code == row.unit)
    stopped = row.state.in_([Status.PARKED.value, Status.EXPIRED.value])
    counts = func.count(distinct(row.unit)), func.count().label("deliveries"), func.min(row.state_at)
    muted = case((unit.c.muted_until > now_ms, 1), else_=0).label("muted")
    told, likeness = _reasons()
    statement = (
        select(row.state, told, code, *counts, muted, row.reason_code)
        .select_from(joined)
        .where(stopped, scope.sees_delivery())
        .group_by(row.state, likeness, row.reason_code, code, muted)
        .order_by(muted, func.count().desc(), func.min(row.state_at))
        .limit(_MOST_GROUPS)
    )
    groups = conn.execute(statement).all()
    heads = select(unit.c.code, unit.c.name).where(unit.c.code.in_({row[2] for row in groups}))
    names = {row.code: row.name for row in conn.execute(heads)}
    return [
        StuckGroup(Status(state), reason, head, names.get(head, ""), units, deliveries, since, bool(muted), kind)
        for state, reason, head, units, deliveries, since, muted, kind in groups
    ]


def states_of_units(conn: Connection, scope: Scope, dispatch_id: str) -> Mapping[str, Status]:
    """The state of each addressee of a dispatch, by unit code."""
    statement = (
        select(delivery.c.unit, delivery.c.state)
        .select_from(seen_from(scope))
        .where(delivery.c.dispatch_id == dispatch_id, scope.sees_delivery())
        .order_by(delivery.c.unit)
    )
    return {code: Status(state) for code, state in conn.execute(statement)}


def _groups(conn: Connection, scope: Scope, cause: Flag, now_ms: int) -> list[Group]:
    row = delivery.c
    told, likeness = _reasons() if cause in _BY_REASON else (literal(""), literal(""))
    code = row.reason_code if cause in _BY_REASON else literal("")
    if cause is Flag.NOT_HANDED_OVER:
        told, code = func.min(unit_trouble.c.why), unit_trouble.c.code
    since = {Flag.OVERDUE: row.due_at, Flag.LINE_DOWN: _WENT_DOWN}.get(cause, row.state_at)
    found = [flagged(cause, now_ms), flagged(Flag.UNMUTED, now_ms)]
    found += [row.state_at >= now_ms - EXPIRED_LATELY_MS] if cause is Flag.EXPIRED else []
    statement = (
        select(told, func.count(distinct(row.unit)), func.count(), func.min(since), code)
        .select_from(delivery.join(dispatch).outerjoin(unit_trouble, unit_trouble.c.unit == row.unit))
        .where(*found, scope.sees_delivery())
        .order_by(func.count().desc())
        .limit(_MOST_GROUPS)
    )
    if cause in _BY_REASON:
        statement = statement.group_by(likeness, code)
    if cause is Flag.NOT_HANDED_OVER:
        statement = statement.group_by(code)
    return [Group(cause, *values) for values in conn.execute(statement) if values[2]]


def _reasons() -> tuple[ColumnElement[str], ColumnElement[str]]:
    """The text that is shown of a group's reasons, and what they are alike by: their code, else their text."""
    row = delivery.c
    return func.min(row.reason), case((row.reason_code == "", row.reason), else_="")


def _overdue(conn: Connection, scope: Scope, now_ms: int) -> int:
    statement = select(func.count()).select_from(delivery.join(dispatch))
    return conn.scalar(statement.where(flagged(Flag.OVERDUE, now_ms), scope.sees_delivery())) or 0


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))
