"""A receipt on its way into the ledger, from whoever it comes."""

from typing import NamedTuple

from schemas.clock import iso
from schemas.ids import new_id
from schemas.reasons import ReasonCode
from schemas.receipt import Receipt
from schemas.states import Status


class NewReceipt(NamedTuple):
    """One receipt as the ledger takes it; ``at`` is the teller's time with its offset, ``recorded_at`` ours (ms).

    ``unit``, when given, has to be the delivery's. ``confirmed`` counts a publish that the broker confirmed.
    """

    id: str
    delivery_id: str
    status: Status
    at: str
    recorded_at: int
    unit: str = ""
    seq: int | None = None
    content_sha256: str | None = None
    reason: str = ""
    person: str = ""
    department: str = ""
    register_number: str = ""
    attempts: int = 0
    gateway_version: str = ""
    confirmed: bool = False
    code: str = ""
    """Of the reason, see :mod:`schemas.reasons`; empty: none was given."""
    corrects: str | None = None
    """The receipt whose fields it puts right."""
    undoes: str | None = None
    """The receipt that was given by mistake."""


def said_by_unit(receipt: Receipt, recorded_at: int, code: str) -> NewReceipt:
    """A receipt as a unit's gateway sends it; ``code`` is that of its reason, empty: none was given."""
    return NewReceipt(
        receipt.id,
        receipt.delivery_id,
        receipt.status,
        receipt.at.isoformat(),
        recorded_at,
        receipt.unit,
        receipt.seq,
        receipt.content_sha256,
        receipt.reason,
        receipt.person,
        receipt.department,
        receipt.register_number,
        receipt.attempts,
        receipt.gateway_version,
        code=code,
        corrects=receipt.corrects,
        undoes=receipt.undoes,
    )


def take_back(delivery_id: str, recall_id: str, at_ms: int, status: Status = Status.TAKE_BACK_REQUESTED) -> NewReceipt:
    """What a recall says of a delivery: that its unit is to give it back, or that it ended on its way."""
    reason = f"recalled by dispatch {recall_id}"
    return NewReceipt(new_id(), delivery_id, status, iso(at_ms), at_ms, reason=reason, code=ReasonCode.RECALLED)
