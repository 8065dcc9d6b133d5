"""One delivery with everything that was said of it, and every publish of it that failed."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from router.ledger.models import attempt, delivery, receipt
from router.ledger.queries.deliveries import DeliveryRow, read_row, rows_of
from router.ledger.scope import Scope
from schemas.states import Effect, Status


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    """A receipt as it was recorded: ``recorded_at`` by our clock (UTC ms), ``at`` by the teller's (RFC 3339)."""

    pos: int
    id: str
    status: Status
    effect: Effect
    recorded_at: int
    at: str
    reason: str
    person: str
    department: str
    register_number: str
    content_sha256: str | None
    attempts: int
    gateway_version: str
    code: str = ""
    """Of the reason, see :mod:`schemas.reasons`; empty: it has none."""
    corrects: str | None = None
    """The receipt whose fields it puts right."""
    undoes: str | None = None
    """The receipt that was given by mistake."""
    seq: int | None = None
    """Its unit's number of it; None: it is no unit's."""


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """A publish that failed: when (UTC ms), how, and the broker's word."""

    at: int
    outcome: str
    detail: str


@dataclass(frozen=True, slots=True)
class DeliveryDetail:
    """A delivery, its receipts and its failed publishes, both oldest first."""

    delivery: DeliveryRow
    receipts: tuple[ReceiptRow, ...]
    attempts: tuple[AttemptRow, ...]


_RECEIPT = (
    receipt.c.pos,
    receipt.c.id,
    receipt.c.status,
    receipt.c.effect,
    receipt.c.recorded_at,
    receipt.c.at,
    receipt.c.reason,
    receipt.c.person,
    receipt.c.department,
    receipt.c.register_number,
    receipt.c.content_sha256,
    receipt.c.attempts,
    receipt.c.gateway_version,
    receipt.c.code,
    receipt.c.corrects,
    receipt.c.undoes,
    receipt.c.seq,
)


def find_delivery(conn: Connection, scope: Scope, delivery_id: str) -> DeliveryDetail | None:
    """A delivery whole, None when the scope does not see it."""
    found = conn.execute(rows_of(scope).where(delivery.c.id == delivery_id)).first()
    if found is None:
        return None
    receipts = select(*_RECEIPT).where(receipt.c.delivery_id == delivery_id).order_by(receipt.c.pos)
    attempts = select(attempt.c.at, attempt.c.outcome, attempt.c.detail).where(attempt.c.delivery_id == delivery_id)
    return DeliveryDetail(
        read_row(*found),
        tuple(_receipt(*row) for row in conn.execute(receipts)),
        tuple(AttemptRow(*row) for row in conn.execute(attempts.order_by(attempt.c.id))),
    )


def _receipt(pos: int, key: str, status: str, effect: str, *rest: Any) -> ReceiptRow:
    return ReceiptRow(pos, key, Status(status), Effect(effect), *rest)
