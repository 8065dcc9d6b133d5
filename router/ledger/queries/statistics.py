"""Statistics of what was accepted in a period: how much, how long each stage took, and what was done in time.

A stage's length is the time from acceptance to the first receipt of it, both by the router's clock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Integer,
    Select,
    String,
    and_,
    case,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
)

from router.ledger.models import delivery, dispatch
from router.ledger.queries.percentiles import percentiles_of, read
from router.ledger.scope import Scope, within
from router.storage.statements import place_in
from schemas.states import Status

SLOT_MS = 15 * 60_000
"""The grain of the heat map's times: every offset from UTC in use is a multiple of it."""


class MeasuredStage(StrEnum):
    """What takes time after a delivery was accepted."""

    ARRIVED = "arrived"
    REGISTERED = "registered"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class Period:
    """From when (UTC ms, inclusive) until when (exclusive) deliveries were accepted, and below which unit.

    ``head`` is a unit's code, which stands for it and all below it; empty: everything that the scope sees.
    """

    since: int
    until: int
    head: str = ""


@dataclass(frozen=True, slots=True)
class Spread:
    """How many reached a stage, and within how long half, 95 % and 99 % of them did (ms); None: none reached it."""

    count: int = 0
    p50: int | None = None
    p95: int | None = None
    p99: int | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """What is said of some deliveries.

    ``due`` counts those whose deadline has passed or that were completed before it, ``in_time`` the latter; so do
    ``to_register`` and ``registered_in_time`` those that had to be registered or refused by the terms of then.
    """

    accepted: int
    stages: Mapping[MeasuredStage, Spread]
    due: int
    in_time: int
    to_register: int = 0
    registered_in_time: int = 0

    @property
    def registered_late(self) -> int:
        """Registered or refused too late, or not yet though its term has passed."""
        return self.to_register - self.registered_in_time

    @property
    def overdue(self) -> int:
        """Completed after its deadline, or not yet though that has passed."""
        return self.due - self.in_time


NOTHING = Measured(0, dict.fromkeys(MeasuredStage, Spread()), 0, 0)


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A period by the steps below its head, and by urgency.

    A step is what follows the head in a unit's code: for ``LCA.02.05`` below ``LCA`` it is ``02``, for the head itself
    it is empty.
    """

    by_step: Mapping[str, Measured]
    by_urgency: Mapping[int, Measured]


_Columns: TypeAlias = tuple[ColumnElement[Any], ...]
_TAKEN_BACK = [state.value for state in (Status.TAKE_BACK_REQUESTED, Status.CHANGE_ACCEPTED, Status.RECALLED)]
_SUMS = "due", "in_time", "to_register", "registered_in_time"
_AT = {
    MeasuredStage.ARRIVED: delivery.c.arrived_at,
    MeasuredStage.REGISTERED: delivery.c.registered_at,
    MeasuredStage.COMPLETED: delivery.c.completed_at,
}


def measure(conn: Connection, scope: Scope, period: Period, *, now_ms: int) -> Breakdown:
    """A period's figures by step and urgency; :func:`measure_spans` gives those of the whole.

    Args:
        conn: a transaction.
        scope: what the caller sees.
        period: when, and where.
        now_ms: the present (UTC ms), which decides what is late.
    """
    columns = step_of(conn, period.head).label("step"), delivery.c.urgency, *_values(now_ms)
    base = _accepted(select(*columns), scope, period).cte("base")
    by_step, by_urgency = {}, {}
    for step, urgency, *values in conn.execute(_by_step_and_urgency(conn, base)):
        if step is not None:
            by_step[step] = _measured(values)
        else:
            by_urgency[urgency] = _measured(values)
    return Breakdown(by_step, by_urgency)


def measure_spans(conn: Connection, scope: Scope, head: str, bounds: Sequence[int], *, now_ms: int) -> list[Measured]:
    """The figures of each span between two bounds (UTC ms, rising); the other arguments as of :func:`measure`."""
    span = case(*((delivery.c.created_at < bound, number) for number, bound in enumerate(bounds[1:])))
    period = Period(bounds[0], bounds[-1], head)
    columns = span.label("span"), *_values(now_ms)
    base = _accepted(select(*columns), scope, period).cte("base")
    grouped = select(base.c.span, *_aggregates(conn, base)).group_by(base.c.span)
    found = {number: _measured(values) for number, *values in conn.execute(grouped)}
    return [found.get(number, NOTHING) for number in range(len(bounds) - 1)]


def accepted_by_slot(conn: Connection, scope: Scope, period: Period) -> dict[int, int]:
    """How many deliveries were accepted in each quarter of an hour: when it began (UTC ms) → how many."""
    slot = (delivery.c.created_at // literal(SLOT_MS)).label("slot")
    base = _accepted(select(slot), scope, period).subquery()
    counted = select(base.c.slot, func.count()).group_by(base.c.slot)
    return {number * SLOT_MS: count for number, count in conn.execute(counted)}


def documents_of(conn: Connection, scope: Scope, period: Period) -> int:
    """How many documents the period's deliveries are of."""
    accepted = dispatch.c.accepted_at >= period.since, dispatch.c.accepted_at < period.until
    below = [f"{period.head}.#"] if period.head else []
    named = within(delivery.c.unit, below) if below else true()
    addressed = exists().where(delivery.c.dispatch_id == dispatch.c.id, scope.sees_delivery_of(units=below), named)
    return conn.scalar(select(func.count()).select_from(dispatch).where(*accepted, addressed.correlate(dispatch))) or 0


def _accepted(statement: Select[Any], scope: Scope, period: Period) -> Select[Any]:
    """The period's deliveries that the scope sees; the dispatch is looked at only where the scope asks for its issuer.

    Then its time is asked for too, so that an index finds it.
    """
    below = [f"{period.head}.#"] if period.head else []
    named = within(delivery.c.unit, below) if below else true()
    times: list[ColumnElement[int]] = [delivery.c.created_at]
    if not scope.covers_all(below):
        statement = statement.select_from(delivery.join(dispatch)).where(scope.sees_delivery())
        times.append(dispatch.c.accepted_at)
    return statement.where(named, *(and_(at >= period.since, at < period.until) for at in times))


def _values(now_ms: int) -> _Columns:
    """The lengths of the stages, and whether there were deadlines and they were kept; what was recalled has none."""
    row = delivery.c
    lengths = (case((at >= row.created_at, at - row.created_at), (at.is_not(None), 0)) for at in _AT.values())
    kept = and_(row.completed_at.is_not(None), row.completed_at <= row.due_at)
    counts = and_(row.due_at.is_not(None), or_(row.due_at < now_ms, kept), row.state != Status.RECALLED.value)
    named = zip(MeasuredStage, lengths, strict=True)
    flags = case((counts, 1), else_=0).label("due"), case((and_(counts, kept), 1), else_=0).label("in_time")
    return *(length.label(stage.value) for stage, length in named), *flags, *_registering(now_ms)


def _registering(now_ms: int) -> _Columns:
    """Whether it had to be registered by now, and was so, or refused, in time; what was given back before had not."""
    row = delivery.c
    dealt_with = func.coalesce(row.registered_at, case((row.state == Status.REFUSED.value, row.state_at)))
    missed = and_(row.register_by < now_ms, row.state.not_in(_TAKEN_BACK))
    counts = and_(row.register_by.is_not(None), or_(dealt_with.is_not(None), missed))
    kept = and_(counts, dealt_with <= row.register_by)
    return case((counts, 1), else_=0).label("to_register"), case((kept, 1), else_=0).label("registered_in_time")


def _aggregates(conn: Connection, base: CTE) -> _Columns:
    stages = (base.c[stage.value] for stage in MeasuredStage)
    told = (item for column in stages for item in (func.count(column), percentiles_of(conn, column)))
    return func.count(), *told, *(func.sum(base.c[name]) for name in _SUMS)


def _by_step_and_urgency(conn: Connection, base: CTE) -> Any:
    """Rows by step and by urgency; on PostgreSQL in one pass over them."""
    step, urgency, values = base.c.step, base.c.urgency, _aggregates(conn, base)
    if conn.dialect.name == "postgresql":
        return select(step, urgency, *values).group_by(func.grouping_sets(step, urgency))
    no_step, no_urgency = null().cast(String), null().cast(Integer)
    return union_all(
        select(step, no_urgency, *values).group_by(step),
        select(no_step, urgency, *values).group_by(urgency),
    )


def _measured(values: Sequence[Any]) -> Measured:
    accepted, told, sums = values[0], values[1 : -len(_SUMS)], values[-len(_SUMS) :]
    pairs = zip(told[::2], told[1::2], strict=True)
    stages = {stage: Spread(count, *read(found)) for stage, (count, found) in zip(MeasuredStage, pairs, strict=True)}
    return Measured(accepted, stages, *(count or 0 for count in sums))


def step_of(conn: Connection, head: str) -> ColumnElement[str]:
    """Which step below a head a delivery's unit is: see :class:`Breakdown`."""
    rest = func.substr(delivery.c.unit, len(head) + 2) if head else delivery.c.unit
    return func.substr(rest, 1, place_in(conn, rest.concat("."), ".") - 1)
