"""How many deliveries are in which state: of a dispatch, and of all that is not delivered yet."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, FromClause, and_, func, select

from router.ledger.models import delivery, dispatch, line
from router.ledger.queries.filters import OPEN
from router.ledger.scope import Scope
from router.rules.outages import LineState
from schemas.states import BY_UNIT, UNDELIVERED, Status

ARRIVED = (BY_UNIT | {Status.TAKE_BACK_REQUESTED}) - {Status.TAKEN, Status.PARKED, Status.RECALLED}
"""States of what is at its unit and was not taken back: the one definition for shares, bars and certificates."""
_COMING = [Status.QUEUED.value, Status.TAKEN.value]


@dataclass(frozen=True, slots=True)
class RollUp:
    """How many deliveries of a dispatch are in each state."""

    counts: Mapping[Status, int]

    @property
    def total(self) -> int:
        """All that the scope sees."""
        return sum(self.counts.values())

    @property
    def arrived(self) -> int:
        """Those that are at their unit, whatever people did with them since."""
        return sum(count for state, count in self.counts.items() if state in ARRIVED)


@dataclass(frozen=True, slots=True)
class Transfers:
    """How far the contents of a dispatch have come at the addressees that do not have it yet."""

    bytes_held: int = 0
    bytes_total: int = 0
    """Of those whose gateways have told."""
    lines_down: int = 0
    """Addressees that wait for their line to come up."""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What is not delivered yet, parked or on the way; ages in milliseconds."""

    by_state: Mapping[Status, int]
    held: int
    """Of those on the way, the ones that wait for a line."""
    oldest_age_ms: int
    """Of the oldest that does not wait for a line; 0: there is none."""

    @property
    def count(self) -> int:
        """All of them."""
        return sum(self.by_state.values())


def roll_up(conn: Connection, scope: Scope, dispatch_id: str) -> RollUp:
    """How many deliveries of a dispatch are in which state."""
    return roll_ups(conn, scope, [dispatch_id])[dispatch_id]


def transfers(conn: Connection, scope: Scope, dispatch_id: str) -> Transfers:
    """How far the contents of a dispatch have come where they are on their way."""
    row = delivery.c
    sums = func.sum(row.bytes_held), func.sum(row.bytes_total), func.count(line.c.unit)
    is_down = and_(line.c.unit == row.unit, line.c.state == LineState.DOWN.value)
    statement = (
        select(*sums)
        .select_from(seen_from(scope).outerjoin(line, is_down))
        .where(row.dispatch_id == dispatch_id, row.state.in_(_COMING), scope.sees_delivery())
    )
    held, total, down = conn.execute(statement).one()
    return Transfers(int(held or 0), int(total or 0), down)


def roll_ups(conn: Connection, scope: Scope, dispatch_ids: Collection[str]) -> dict[str, RollUp]:
    """:func:`roll_up` of several dispatches at once."""
    statement = (
        select(delivery.c.dispatch_id, delivery.c.state, func.count())
        .select_from(seen_from(scope))
        .where(delivery.c.dispatch_id.in_(dispatch_ids), scope.sees_delivery())
        .group_by(delivery.c.dispatch_id, delivery.c.state)
    )
    counts: dict[str, dict[Status, int]] = {key: {} for key in dispatch_ids}
    for dispatch_id, state, count in conn.execute(statement):
        counts[dispatch_id][Status(state)] = count
    return {key: RollUp(value) for key, value in counts.items()}


def undelivered(conn: Connection, scope: Scope, *, now_ms: int) -> Undelivered:
    """What the scope's units have not got yet."""
    held = delivery.c.next_due_at.is_(None)
    statement = (
        select(delivery.c.state, held, func.count(), func.min(delivery.c.created_at))
        .select_from(seen_from(scope))
        .where(delivery.c.state.in_(OPEN), scope.sees_delivery())
        .group_by(delivery.c.state, held)
    )
    groups = [(Status(state), bool(waits), count, oldest) for state, waits, count, oldest in conn.execute(statement)]
    by_state: defaultdict[Status, int] = defaultdict(int)
    for state, _, count, _ in groups:
        by_state[state] += count
    return Undelivered(
        by_state=dict(by_state),
        held=sum(count for state, waits, count, _ in groups if waits and state in UNDELIVERED),
        oldest_age_ms=max((max(now_ms - oldest, 0) for _, waits, _, oldest in groups if not waits), default=0),
    )


def seen_from(scope: Scope) -> FromClause:
    """What the scope's condition is asked of; for those who see everything the dispatch is not looked at."""
    return delivery if scope.everything else delivery.join(dispatch)
