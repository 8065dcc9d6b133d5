"""What the ledger has of a unit's own deliveries, and what the unit said of them: for a gateway that lost its books."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, exists, select

from router.ledger.models import delivery, dispatch, receipt
from schemas.states import Effect


@dataclass(frozen=True, slots=True)
class UnitReceipt:
    """A receipt of the unit that was not refused; ``at`` as its gateway wrote it."""

    id: str
    status: str
    at: str
    person: str
    department: str
    register_number: str


@dataclass(frozen=True, slots=True)
class UnitDelivery:
    """A delivery; times are UTC ms, ``submission`` the letter as it was accepted, as JSON."""

    id: str
    dispatch_id: str
    seq: int
    state: str
    state_at: int
    arrived_at: int | None
    issuer: str
    submission: bytes
    receipts: tuple[UnitReceipt, ...] = ()


def deliveries_told(conn: Connection, unit: str, *, after: int, since: int, limit: int) -> list[UnitDelivery]:
    """The deliveries of a unit that it has spoken of, in their order: it is told of no letter that never came to it.

    Args:
        conn: a transaction.
        unit: whose.
        after: those behind this number of the unit's sequence.
        since: only made at this time or later, UTC ms.
        limit: at most so many.
    """
    columns = (
        delivery.c.id,
        delivery.c.dispatch_id,
        delivery.c.seq,
        delivery.c.state,
        delivery.c.state_at,
        delivery.c.arrived_at,
        dispatch.c.issuer,
        dispatch.c.submission,
    )
    of_unit = delivery.c.unit == unit, delivery.c.seq > after, delivery.c.created_at >= since
    has_it = exists().where(
        receipt.c.delivery_id == delivery.c.id, receipt.c.seq.is_not(None), receipt.c.effect != Effect.REFUSED.value
    )
    wanted = select(*columns).join(dispatch).where(*of_unit, has_it)
    rows = conn.execute(wanted.order_by(delivery.c.seq).limit(limit)).all()
    said = _said(conn, [row.id for row in rows])
    return [UnitDelivery(*row, receipts=tuple(said.get(row.id, ()))) for row in rows]


def _said(conn: Connection, ids: Sequence[str]) -> dict[str, list[UnitReceipt]]:
    """What the unit said, by delivery; the router's own entries in the log are none of its."""
    columns = (
        receipt.c.id,
        receipt.c.status,
        receipt.c.at,
        receipt.c.person,
        receipt.c.department,
        receipt.c.register_number,
    )
    of_unit = receipt.c.delivery_id.in_(ids), receipt.c.seq.is_not(None)
    found: dict[str, list[UnitReceipt]] = {}
    rows = select(receipt.c.delivery_id, receipt.c.effect, *columns).where(*of_unit).order_by(receipt.c.pos)
    for delivery_id, effect, *row in conn.execute(rows):
        if effect != Effect.REFUSED:
            found.setdefault(delivery_id, []).append(UnitReceipt(*row))
    return found
