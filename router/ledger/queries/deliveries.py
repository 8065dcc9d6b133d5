"""Deliveries one by one: a list with filters, and the addressees of a dispatch with what their units told."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Connection, Select, and_, case, func, select

from router.ledger.models import delivery, dispatch, line, receipt, unit, unit_trouble
from router.ledger.queries.filters import EVERYTHING_WANTED, NOT_SENT, Filter
from router.ledger.scope import Scope, within
from router.rules.outages import LineState
from schemas.clock import iso
from schemas.dispatch import Urgency
from schemas.duties import WHOSE, Course, Duty, Owed, beside
from schemas.reasons import ReasonCode
from schemas.standing import standing
from schemas.states import Effect, Status

MAX_ROWS = 1000
COMING = frozenset({Status.QUEUED, Status.TAKEN})
"""States in which contents come, or wait for the line to come."""
Rows: TypeAlias = "Select[*tuple[Any, ...]]"


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One delivery as it stands; times are UTC ms, ``next_due_at`` None when nothing is sent by itself."""

    id: str
    state: Status
    state_at: int
    dispatch_id: str
    issuer: str
    notation: str
    subject: str
    unit: str
    unit_name: str
    seq: int
    link: str
    urgency: int
    reason: str
    created_at: int
    next_due_at: int | None
    published: int
    failures: int
    bytes_held: int | None
    """Of its contents at the gateway, out of ``bytes_total``, as told at ``held_at``; None: it never said."""
    bytes_total: int | None
    held_at: int | None
    line_down_since: int | None
    """Since when its unit's line is down; None: it is up, or nothing is known of it."""
    reason_code: str
    """The reason's, see :mod:`schemas.reasons`; empty: none was given."""
    trouble_code: str | None
    """Why its unit's gateway hands nothing over, since when and in what words; None: it does, or never said."""
    trouble_since: int | None
    trouble: str | None
    due_at: int | None = None
    """The letter's due date."""
    soon_at: int | None = None
    """By when ``duty`` should be done, and when it is late; None: no day is set."""
    latest_at: int | None = None
    late_at: int | None = None
    """From when on anything that is owed is late."""
    duty: Duty | None = None
    """What has to be done next; None: nothing more."""

    @property
    def owed(self) -> tuple[Owed, ...]:
        """What is owed as it was counted: whose turn it is first, then what is owed beside it."""
        if self.duty is None:
            return ()
        turn = Owed(self.duty, WHOSE[self.duty], self.state_at, self.soon_at, self.latest_at)
        course = Course(self.state, self.state_at, Urgency(self.urgency), self.due_at)
        return (turn, *beside(course, turn))

    @property
    def is_coming(self) -> bool:
        """Whether some of its contents have come and more are to."""
        return self.state in COMING and bool(self.bytes_held)

    @property
    def waits_for_sink(self) -> bool:
        """Whether its unit's gateway has it and says that it cannot hand it over."""
        return self.state is Status.TAKEN and self.trouble_code is not None

    @property
    def waits_for_line(self) -> bool:
        """Whether it would come if its unit's line were up."""
        return self.state in COMING and self.line_down_since is not None


@dataclass(frozen=True, slots=True)
class Addressee:
    """A delivery of a dispatch with what its unit told; ``times`` is when each status was recorded first (UTC ms)."""

    delivery: DeliveryRow
    times: Mapping[Status, int]
    register_number: str


_ROW = (
    delivery.c.id,
    delivery.c.state,
    delivery.c.state_at,
    delivery.c.dispatch_id,
    dispatch.c.issuer,
    dispatch.c.notation,
    dispatch.c.subject,
    delivery.c.unit,
    func.coalesce(unit.c.name, ""),
    delivery.c.seq,
    delivery.c.link,
    delivery.c.urgency,
    delivery.c.reason,
    delivery.c.created_at,
    delivery.c.next_due_at,
    delivery.c.published,
    delivery.c.failures,
    delivery.c.bytes_held,
    delivery.c.bytes_total,
    delivery.c.held_at,
    case((line.c.state == LineState.DOWN.value, line.c.since)),
    delivery.c.reason_code,
    unit_trouble.c.code,
    unit_trouble.c.since,
    unit_trouble.c.why,
    delivery.c.due_at,
    delivery.c.soon_at,
    delivery.c.latest_at,
    delivery.c.late_at,
    delivery.c.duty,
    case((and_(delivery.c.paused == 1, delivery.c.state.in_(NOT_SENT)), unit.c.paused_at)),
    unit.c.paused_by,
    unit.c.paused_why,
)


class _Words(NamedTuple):
    """What a receipt says of how its delivery stands."""

    status: Status
    effect: Effect
    id: str
    recorded_at: int
    seq: int | None
    register_number: str
    corrects: str | None
    undoes: str | None


_SAID = select(receipt.c.delivery_id, *(receipt.c[name] for name in _Words._fields))


def rows_of(scope: Scope, wanted: Filter = EVERYTHING_WANTED) -> Rows:
    """The columns of :class:`DeliveryRow`, of what the scope sees; the caller adds the filter."""
    joined = delivery.join(dispatch).outerjoin(unit, unit.c.code == delivery.c.unit)
    joined = joined.outerjoin(line, line.c.unit == delivery.c.unit)
    joined = joined.outerjoin(unit_trouble, unit_trouble.c.unit == delivery.c.unit)
    return select(*_ROW).select_from(joined).where(scope.sees_delivery_of(wanted.units, wanted.issuers))


def read_row(key: str, state: str, *rest: Any) -> DeliveryRow:
    """A row of :func:`rows_of`; one that waits for its paused unit has that as its reason."""
    *fields, duty, paused_at, by, why = rest
    row = DeliveryRow(key, Status(state), *[*fields, Duty(duty) if duty else None])
    if paused_at is None:
        return row
    return replace(row, reason=pause_reason(by, paused_at, why), reason_code=ReasonCode.PAUSED)


def pause_reason(by: str, at: int, why: str) -> str:
    """Why a delivery to a paused unit waits."""
    return f"paused by {by} since {iso(at)}: {why}"


def addressees(
    conn: Connection,
    scope: Scope,
    dispatch_id: str,
    *,
    states: Iterable[Status] = (),
    units: str = "",
    late_by: int | None = None,
    after: str = "",
    limit: int = MAX_ROWS,
) -> list[Addressee]:
    """The addressees of a dispatch by unit code.

    Args:
        conn: a transaction.
        scope: what the caller sees.
        dispatch_id: the dispatch.
        states: only those in one of these; none: all.
        units: only units of this pattern.
        late_by: only those of which something that is owed is late by then, UTC ms.
        after: only units whose code follows this one, the last of the page before.
        limit: the length of a page.
    """
    statement = rows_of(scope).where(delivery.c.dispatch_id == dispatch_id, delivery.c.unit > after)
    if units:
        statement = statement.where(within(delivery.c.unit, [units]))
    if late_by is not None:
        statement = statement.where(delivery.c.late_at < late_by)
    statement = _in_states(statement, states).order_by(delivery.c.unit).limit(limit)
    rows = [read_row(*row) for row in conn.execute(statement)]
    told = _told(conn, dispatch_id, rows)
    return [Addressee(row, *told[row.id]) for row in rows]


def list_deliveries(
    conn: Connection,
    scope: Scope,
    *,
    states: Iterable[Status] = (),
    units: str = "",
    dispatch_id: str = "",
    after: str = "",
    limit: int = MAX_ROWS,
) -> list[DeliveryRow]:
    """Deliveries in the order in which they were made.

    Args:
        conn: a transaction.
        scope: what the caller sees.
        states: only those in one of these; none: all.
        units: only to units of this pattern.
        dispatch_id: only of this dispatch.
        after: only those after this delivery's id, the last of the page before.
        limit: the length of a page.
    """
    statement = _in_states(rows_of(scope), states).where(delivery.c.id > after)
    if units:
        statement = statement.where(within(delivery.c.unit, [units]))
    if dispatch_id:
        statement = statement.where(delivery.c.dispatch_id == dispatch_id)
    return [read_row(*row) for row in conn.execute(statement.order_by(delivery.c.id).limit(limit))]


def _in_states(statement: Rows, states: Iterable[Status]) -> Rows:
    wanted = [state.value for state in states]
    return statement.where(delivery.c.state.in_(wanted)) if wanted else statement


def _told(
    conn: Connection, dispatch_id: str, rows: Sequence[DeliveryRow]
) -> dict[str, tuple[Mapping[Status, int], str]]:
    """Per delivery of a page: when each status that stands was recorded first, and its register number."""
    if not rows:
        return {}
    page = and_(delivery.c.dispatch_id == dispatch_id, delivery.c.unit.between(rows[0].unit, rows[-1].unit))
    statement = _SAID.select_from(receipt.join(delivery)).where(page, receipt.c.effect != Effect.REFUSED.value)
    said: dict[str, list[_Words]] = {row.id: [] for row in rows}
    for key, status, effect, *rest in conn.execute(statement.order_by(receipt.c.delivery_id, receipt.c.pos)):
        if key in said:
            said[key].append(_Words(Status(status), Effect(effect), *rest))
    return {key: _stands(told) for key, told in said.items()}


def _stands(told: Sequence[_Words]) -> tuple[Mapping[Status, int], str]:
    found = standing(told)
    registered = found.told.get(Status.REGISTERED)
    return found.times, "" if registered is None else registered.register_number
