"""Whether each delivery is in the state that its receipts say: that of the last one that moved it."""

from collections.abc import Iterator

from sqlalchemy import Connection, func, select

from router.ledger.models import delivery, receipt
from schemas.states import Effect, Status

_MOVES = sorted(effect.value for effect in (Effect.ADVANCE, Effect.BACK))


def that_differ(conn: Connection) -> Iterator[str]:
    """What does not fit, a sentence for each delivery; those whose receipts were all forgotten are passed over."""
    moved = (
        select(receipt.c.delivery_id, func.max(receipt.c.pos).label("pos"))
        .where(receipt.c.effect.in_(_MOVES))
        .group_by(receipt.c.delivery_id)
        .subquery()
    )
    said = select(receipt.c.delivery_id, receipt.c.status).join(moved, moved.c.pos == receipt.c.pos).subquery()
    differ = (
        select(delivery.c.id, delivery.c.state, said.c.status)
        .join(said, said.c.delivery_id == delivery.c.id)
        .where(delivery.c.state != said.c.status)
        .order_by(delivery.c.id)
    )
    for key, state, status in conn.execute(differ):
        yield f"delivery {key} is {state}, and its receipts say {status}"
    silent = select(delivery.c.id, delivery.c.state).outerjoin(receipt, receipt.c.delivery_id == delivery.c.id)
    silent = silent.where(receipt.c.id.is_(None), delivery.c.state != Status.PENDING.value).order_by(delivery.c.id)
    if conn.scalar(select(func.count()).select_from(receipt)):
        for key, state in conn.execute(silent):
            yield f"delivery {key} is {state}, and no receipt says so"
