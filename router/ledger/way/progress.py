"""How far deliveries have come, as gateways report it: a state of the delivery, no receipt, so the log stays short."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select

from router.ledger.bulk import update_rows
from router.ledger.models import delivery
from router.ledger.scope import within
from schemas.line import Held
from schemas.states import Status

_COLUMNS = ("id", "bytes_held", "bytes_total", "held_at")
_COMING = [Status.QUEUED.value, Status.TAKEN.value]


def note_held(connection: Connection, pattern: str, items: Sequence[Held], at: int) -> None:
    """Note how far deliveries to units of a pattern have come (``at``: UTC ms); what has ended stays as it is."""
    if not items:
        return
    coming = delivery.c.id.in_(bindparam("ids", expanding=True)), delivery.c.state.in_(_COMING)
    statement = select(delivery.c.id).where(*coming, within(delivery.c.unit, [pattern]))
    if connection.dialect.name == "postgresql":
        statement = statement.order_by(delivery.c.id).with_for_update()
    known = set(connection.scalars(statement, {"ids": [item.delivery_id for item in items]}))
    rows = [(item.delivery_id, item.held, item.total, at) for item in items if item.delivery_id in known]
    update_rows(connection, delivery, _COLUMNS, rows)
