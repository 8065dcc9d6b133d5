"""What a gateway still knows after the ledger has forgotten it: an older ledger was restored, and asks.

With every hello a gateway says which of its deliveries is the newest and how far each unit's sequence has come; both
travel as headers, so a router that does not know them reads the hello as ever, and one that lacks the delivery knows
that its ledger is older. Then, and only at a gateway that says so, it asks for what is held of a time (``recount``, by
the unit's express queue). The answers (``kept``) are pages, so that a dial-up line carries each within seconds; each
delivery comes with its descriptor and all its receipts, so a page alone is enough to enter what it holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field, model_validator

from schemas.attachment import Sha256
from schemas.codes import UnitCode, is_code
from schemas.descriptor import Descriptor
from schemas.ids import Id, SequenceNumber, is_id
from schemas.model import Travelling
from schemas.receipt import Receipt

TYPE_RECOUNT = "recount"
TYPE_KEPT = "kept"
HEADER_NEWEST = "newest"
"""Of a hello: the newest delivery of the spool and its unit, with a space between; empty: the spool holds none."""
HEADER_HIGHEST = "highest"
"""Of a hello: the highest sequence number taken for each of its units, in their order, with commas between."""
MAX_PAGE_BYTES = 16 * 1024
"""What a page holds at most, beyond its first delivery: 4 s of a line of 33.6 kbit/s."""
MAX_KEPT = 200
"""Deliveries of one page."""
MAX_KEPT_RECEIPTS = 100
"""Receipts of one delivery; of more, the first."""
_MAX_HEADER = 20_000
Position = Annotated[int, Field(ge=0, le=2**53 - 1)]
Milliseconds = Annotated[int, Field(ge=0, le=2**48 - 1)]


class Recount(Travelling):
    """The router asks what a gateway holds of a unit's deliveries (property ``type`` = ``recount``)."""

    v: Annotated[int, Field(ge=1, le=1)] = 1
    """Of the form of this message."""
    unit: UnitCode
    """Whose deliveries."""
    since: Milliseconds
    """Of dispatches that were accepted at this time or later (UTC ms, by the router's clock, as their ids say)."""
    until: Milliseconds
    """And no later than this."""
    after: Position = 0
    """The place in the spool that the page before ended at; 0: from the beginning."""


class KeptReceipt(Receipt):
    """A receipt with the code of its reason, which a burst has in its header."""

    code: Annotated[str, Field(max_length=40)] = ""
    """Of the reason, see :mod:`schemas.reasons`; empty: none."""
    elsewhere: bool = False
    """``seq`` is of another spool, whose books were put back into this one."""


class KeptDelivery(Travelling):
    """A delivery as a gateway's spool holds it."""

    id: Id
    """Of the delivery."""
    dispatch_id: Id
    """Of its dispatch."""
    seq: SequenceNumber
    """Its number in the unit's sequence."""
    descriptor: Descriptor | None = None
    """As it travelled; left out of one that is too long for a message: ``record`` names it."""
    record: Sha256 | None = None
    """The content that holds the full descriptor, in the router's store."""
    recalled_by: Id | None = None
    """The dispatch that called it back."""
    traceparent: Annotated[str, Field(max_length=55)] = ""
    """The trace it came with."""
    receipts: Annotated[tuple[KeptReceipt, ...], Field(max_length=MAX_KEPT_RECEIPTS)] = ()
    """All that was said of it, oldest first."""

    @model_validator(mode="after")
    def _is_one_delivery(self) -> "KeptDelivery":
        if (self.descriptor is None) is (self.record is None):
            raise ValueError("either `descriptor` or `record` tells what it is")
        if self.descriptor is not None and self.descriptor.id != self.dispatch_id:
            raise ValueError("the descriptor is of another dispatch")
        if any((item.delivery_id, item.dispatch_id) != (self.id, self.dispatch_id) for item in self.receipts):
            raise ValueError("a receipt is of another delivery")
        return self


class Kept(Travelling):
    """A page of what a gateway holds of a unit's deliveries (property ``type`` = ``kept``)."""

    v: Annotated[int, Field(ge=1, le=1)] = 1
    """Of the form of this message."""
    unit: UnitCode
    """Whose deliveries."""
    spool_id: Id
    """In which spool: the places of another one mean nothing."""
    after: Position
    """As it was asked."""
    through: Position
    """The place that this page ends at."""
    more: bool = False
    """Whether there is more after it."""
    highest: Position = 0
    """The highest sequence number that was taken for the unit; 0: none."""
    deliveries: Annotated[tuple[KeptDelivery, ...], Field(max_length=MAX_KEPT)] = ()
    """In the order in which they were taken."""

    @model_validator(mode="after")
    def _is_one_units(self) -> "Kept":
        if any(receipt.unit != self.unit for item in self.deliveries for receipt in item.receipts):
            raise ValueError("a receipt is of another unit")
        return self


@dataclass(frozen=True, slots=True)
class Memory:
    """What a hello says of the spool: its newest delivery with its unit (empty: none), how far each unit has come."""

    newest: str = ""
    unit: str = ""
    highest: Mapping[str, int] = field(default_factory=dict)

    def headers(self, units: Sequence[str]) -> dict[str, str | int]:
        """As they travel beside a hello of these units."""
        told = ",".join(str(self.highest.get(code, 0)) for code in units)
        return {HEADER_NEWEST: f"{self.newest} {self.unit}".strip(), HEADER_HIGHEST: told}


def read_memory(headers: Mapping[str, object], units: Sequence[str]) -> Memory | None:
    """What the headers of a hello of these units say; None: its gateway does not know of this, or says nonsense."""
    newest, highest = headers.get(HEADER_NEWEST), headers.get(HEADER_HIGHEST)
    if not isinstance(newest, str) or not isinstance(highest, str) or len(highest) > _MAX_HEADER:
        return None
    key, _, code = newest.partition(" ")
    numbers = highest.split(",")
    if newest and not (is_id(key) and is_code(code)):
        return None
    if len(numbers) != len(units) or not all(text.isascii() and text.isdigit() for text in numbers):
        return None
    far = {code: int(text) for code, text in zip(units, numbers, strict=True)}
    return Memory(key, code, far) if all(number < 2**53 for number in far.values()) else None
