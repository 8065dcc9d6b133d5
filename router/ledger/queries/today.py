"""What goes on today: how much came in, arrived and was registered, and the urgent ones that are still on their way."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from router.ledger.models import delivery, dispatch, receipt
from router.ledger.queries.deliveries import DeliveryRow
from router.ledger.queries.delivery_log import place_of
from router.ledger.queries.filters import Filter, Flag
from router.ledger.queries.finding import find_deliveries
from router.ledger.scope import Scope
from schemas.dispatch import Urgency
from schemas.states import Effect, Status

FLOW = (Status.ARRIVED, Status.REGISTERED, Status.REFUSED, Status.PARKED)
"""What is counted of today's receipts."""
URGENT = (2, int(max(Urgency)))
"""From very urgent on: what travels by the express lane."""


@dataclass(frozen=True, slots=True)
class Today:
    """Of today: documents accepted, and deliveries by what was said of them; ``urgent`` is what waits, oldest first."""

    accepted: int
    flow: dict[Status, int]
    urgent: Sequence[DeliveryRow]


def today(conn: Connection, scope: Scope, *, since: int, now_ms: int, limit: int) -> Today:
    """What goes on in what the scope sees.

    Args:
        conn: a transaction.
        scope: what the caller sees.
        since: when today began, UTC ms.
        now_ms: the present, UTC ms.
        limit: urgent deliveries to show at most.
    """
    accepted = select(func.count()).select_from(dispatch).where(dispatch.c.accepted_at >= since, scope.sees_dispatch())
    undelivered = Filter(flags=frozenset({Flag.UNDELIVERED}), urgency=URGENT)
    urgent = find_deliveries(conn, scope, undelivered, now_ms=now_ms, limit=limit)
    return Today(conn.scalar(accepted) or 0, _flow(conn, scope, since), urgent[::-1])


def _flow(conn: Connection, scope: Scope, since: int) -> dict[Status, int]:
    """Today's receipts come first: a database would else begin with all deliveries."""
    row, registered = receipt.c, receipt.c.status == Status.REGISTERED.value
    recent = row.pos >= place_of(conn, since), row.recorded_at >= since
    came = (row.effect == Effect.ADVANCE.value) | (registered & (row.effect == Effect.STALE.value))
    told = row.status.in_([status.value for status in FLOW]), came, row.undoes.is_(None), row.corrects.is_(None)
    undone = select(row.delivery_id).where(*recent, row.undoes.is_not(None))
    none = select(delivery.c.id).where(delivery.c.id.in_(undone), delivery.c.registered_at.is_(None))
    stands = ~(registered & row.delivery_id.in_(none))
    some = select(row.delivery_id, row.status).where(*recent, *told, stands).distinct().cte("told")
    some = some.prefix_with("MATERIALIZED")
    counted = select(some.c.status, func.count())
    if not scope.everything:
        counted = counted.select_from(some.join(delivery, delivery.c.id == some.c.delivery_id).join(dispatch))
        counted = counted.where(scope.sees_delivery())
    found = {row[0]: row[1] for row in conn.execute(counted.group_by(some.c.status))}
    return {status: found.get(status.value, 0) for status in FLOW}
