"""Finds deliveries by a filter: the newest first for pages, the oldest first for acts."""

from sqlalchemy import Connection, func, select

from router.ledger.models import delivery, dispatch
from router.ledger.queries.deliveries import DeliveryRow, Rows, read_row, rows_of
from router.ledger.queries.filters import Filter, conditions, flagged, owing
from router.ledger.scope import Scope
from schemas.states import Status

REDRIVABLE = (Status.PARKED, Status.EXPIRED)
"""States from which a delivery can be sent again by hand."""
MOST_COUNTED = 10_000
"""As far as lists are counted: a number that a person still reads, at a cost that stays small."""


def find_deliveries(
    conn: Connection, scope: Scope, wanted: Filter, *, now_ms: int, before: str | None = None, limit: int = 100
) -> list[DeliveryRow]:
    """Deliveries that fit a filter, the latest made first.

    Args:
        conn: a transaction.
        scope: what the caller sees.
        wanted: the filter; its times are those since when a delivery is in its state.
        now_ms: the present, UTC milliseconds.
        before: only those made before this delivery, the last of the page before.
        limit: the length of a page.
    """
    statement = _fitting(rows_of(scope, wanted), wanted, now_ms)
    if before is not None:
        statement = statement.where(delivery.c.id < before)
    return [read_row(*row) for row in conn.execute(statement.order_by(delivery.c.id.desc()).limit(limit))]


def count_deliveries(conn: Connection, scope: Scope, wanted: Filter, *, now_ms: int) -> int:
    """How many deliveries fit, counted up to :data:`MOST_COUNTED` and one more: what there is beyond is "more"."""
    found = select(delivery.c.id).select_from(delivery.join(dispatch))
    found = _fitting(found.where(scope.sees_delivery_of(wanted.units, wanted.issuers)), wanted, now_ms)
    return conn.scalar(select(func.count()).select_from(found.limit(MOST_COUNTED + 1).subquery())) or 0


def count_by_state(conn: Connection, scope: Scope, wanted: Filter, *, now_ms: int) -> dict[Status, int]:
    """How many deliveries fit, by their state."""
    counted = select(delivery.c.state, func.count()).select_from(delivery.join(dispatch)).where(scope.sees_delivery())
    found = conn.execute(_fitting(counted, wanted, now_ms).group_by(delivery.c.state))
    return {Status(state): count for state, count in found}


def redrivable(scope: Scope, wanted: Filter, *, now_ms: int) -> Rows:
    """The statement of id and unit of the deliveries that fit and can be sent again by hand, the oldest first."""
    states = [state.value for state in REDRIVABLE]
    statement = select(delivery.c.id, delivery.c.unit).select_from(delivery.join(dispatch))
    fitting = _fitting(statement.where(scope.sees_delivery()), wanted, now_ms).where(
        delivery.c.state.in_(states), delivery.c.handed_to.is_(None)
    )
    return fitting.order_by(delivery.c.id)


def _fitting(statement: Rows, wanted: Filter, now_ms: int) -> Rows:
    row = delivery.c
    fields = conditions(wanted, state=row.state, at=row.state_at, reason=row.reason, code=row.reason_code)
    return statement.where(*fields, *owing(wanted, now_ms), *(flagged(flag, now_ms) for flag in wanted.flags))
