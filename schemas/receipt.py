"""Receipts: what a unit says became of a delivery. They travel in bursts, one message for one issuer and status."""

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from schemas.attachment import Sha256
from schemas.clock import Moment
from schemas.codes import UnitCode
from schemas.ids import Id, SequenceNumber
from schemas.line import MAX_HELD, Held, LineReport
from schemas.model import Travelling
from schemas.states import BY_PEOPLE, BY_UNIT, Status
from schemas.text import OneLine

TYPE_RECEIPTS = "receipts"
TYPE_GAP = "gap"
TYPE_HELLO = "hello"
TYPE_ASK = "ask"
MAX_BURST = 200
"""Receipts in one message."""
MAX_BURST_BYTES = 64 * 1024
"""Bytes of the receipts in one message."""
MAX_SAID_BYTES = MAX_BURST_BYTES + 1024
"""Bytes of a message from a unit's gateway, of any type: a full burst and what is around it."""
MAX_RUNS = 200
_BEFORE_A_STEP = frozenset({Status.ARRIVED, Status.REGISTERED, Status.ASSIGNED, Status.PROCESSING})
"""States in which a document may be again when a step was undone."""


class Receipt(Travelling):
    """One receipt of one delivery.

    ``id`` is made by the unit's gateway when it writes the receipt and stays the same however often it is sent, so
    the ledger counts it once. ``seq`` counts the receipts of a gateway's spool for this unit.
    """

    id: Id
    """Made by the gateway when it writes the receipt; the same however often it is sent."""
    delivery_id: Id
    """Of which delivery."""
    dispatch_id: Id
    """Of which dispatch."""
    unit: UnitCode
    """Whose it is."""
    status: Status
    """What became of the delivery."""
    at: Moment
    """When it happened, by the unit's clock, with its offset."""
    seq: SequenceNumber
    """Counts the receipts of the gateway's spool for this unit."""
    content_sha256: Sha256 | None = None
    """The content as the unit has it, see :func:`schemas.attachment.content_digest`."""
    reason: Annotated[OneLine, Field(max_length=1000)] = ""
    """Why; needed by `refused` and `parked`."""
    person: Annotated[OneLine, Field(max_length=200)] = ""
    """Who said it, when a person did."""
    department: Annotated[OneLine, Field(max_length=200)] = ""
    """That person's department."""
    register_number: Annotated[OneLine, Field(max_length=50)] = ""
    """The unit's own arrival number (số đến)."""
    attempts: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """How often the unit's sink was tried (line drops are no attempts)."""
    gateway_version: Annotated[OneLine, Field(max_length=50)] = ""
    """Of the program that wrote it."""
    traceparent: Annotated[str, Field(max_length=55)] = ""
    """The trace the dispatch was submitted under, see :mod:`schemas.trace`."""
    corrects: Id | None = None
    """The receipt of the same delivery and status whose fields it puts right; both stay readable."""
    undoes: Id | None = None
    """The receipt of the same delivery that was given by mistake: ``status`` is what the delivery is in again."""

    @field_validator("status")
    @classmethod
    def _a_unit_may_say_it(cls, status: Status) -> Status:
        if status not in BY_UNIT:
            raise ValueError(f"a unit cannot say {status.value!r}; it may say {', '.join(sorted(BY_UNIT))}")
        return status

    @model_validator(mode="after")
    def _fields_agree(self) -> "Receipt":
        if self.status in {Status.REFUSED, Status.PARKED} and not self.reason:
            raise ValueError(f"a receipt {self.status.value!r} needs a reason")
        if self.status is Status.REGISTERED and not self.register_number:
            raise ValueError("a receipt 'registered' needs register_number, the unit's arrival number")
        return self

    @model_validator(mode="after")
    def _rights_one_other(self) -> "Receipt":
        if self.corrects is None and self.undoes is None:
            return self
        if self.corrects is not None and self.undoes is not None:
            raise ValueError("a receipt either corrects another or undoes it")
        if self.id in {self.corrects, self.undoes} or not self.reason:
            raise ValueError("a receipt that corrects or undoes another names it and needs a reason")
        allowed = BY_PEOPLE if self.undoes is None else _BEFORE_A_STEP
        if self.status not in allowed:
            what = "corrects" if self.undoes is None else "undoes"
            raise ValueError(f"a receipt that {what} another says one of {', '.join(sorted(allowed))}")
        return self


class Burst(Travelling):
    """The body of a receipts message (property ``type`` = ``receipts``)."""

    v: Annotated[int, Field(ge=1, le=1)] = 1
    """Of the form of this message."""
    receipts: Annotated[tuple[Receipt, ...], Field(min_length=1, max_length=MAX_BURST)]
    """Of one issuer and one status."""


class Gap(Travelling):
    """A unit lacks sequence numbers and asks for them again (property ``type`` = ``gap``)."""

    v: Annotated[int, Field(ge=1, le=1)] = 1
    """Of the form of this message."""
    unit: UnitCode
    """Whose numbers."""
    missing: Annotated[tuple[SequenceNumber, ...], Field(min_length=1, max_length=1000)]
    """Numbers of the sequence that never came."""


class Hello(Travelling):
    """A gateway is there (property ``type`` = ``hello``).

    A new ``spool_id`` means that the unit's spool was lost: what it had taken is sent again. ``receipts`` says the last
    receipt number that the spool has given, for each of ``units`` in their order: those that never came are asked for.

    With ``again`` nothing has changed since the last hello but the line: it then names one unit for all of the spool's.
    """

    v: Annotated[int, Field(ge=1, le=1)] = 1
    """Of the form of this message."""
    units: Annotated[tuple[UnitCode, ...], Field(min_length=1, max_length=1000)]
    """Hosted here."""
    spool_id: Id
    """Tells a spool from one that was made anew in its place."""
    at: Moment
    """By the gateway's clock."""
    gateway_version: Annotated[OneLine, Field(max_length=50)] = ""
    """Of the program."""
    receipts: Annotated[tuple[Annotated[int, Field(ge=0, le=2**53 - 1)], ...], Field(max_length=1000)] = ()
    """Left out when none was given."""
    line: LineReport | None = None
    """Left out by gateways that say hello only once; of their lines nothing is known."""
    again: bool = False
    """Nothing has changed since the last hello but the line."""
    held: Annotated[tuple[Held, ...], Field(max_length=MAX_HELD)] = ()
    """How far deliveries have come since the last hello: of those on their way the ones that moved."""

    @model_validator(mode="after")
    def _a_number_for_each_unit(self) -> "Hello":
        if self.receipts and len(self.receipts) != len(self.units):
            raise ValueError(f"`receipts` has {len(self.receipts)} numbers for {len(self.units)} units")
        return self


class Ask(Travelling):
    """The ledger lacks receipts of a unit and asks its gateway to send them again (property ``type`` = ``ask``).

    It comes by the unit's express queue. ``missing`` holds runs of receipt numbers, first and last of each.
    """

    v: Annotated[int, Field(ge=1, le=1)] = 1
    """Of the form of this message."""
    unit: UnitCode
    """Whose receipts."""
    missing: Annotated[tuple[tuple[SequenceNumber, SequenceNumber], ...], Field(min_length=1, max_length=MAX_RUNS)]
    """Runs of receipt numbers, first and last of each."""


def receipt_key(issuer: str, unit: str, status: str) -> str:
    """The routing key of a receipts message: ``<issuer code>.<unit code>.<status>``."""
    return f"{issuer}.{unit}.{status}"
