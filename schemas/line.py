"""What a gateway says of its line: what it gives, when it was down, and how far a document has come over it."""

from typing import Annotated

from pydantic import Field, model_validator

from schemas.clock import Moment
from schemas.ids import Id
from schemas.model import Travelling

MAX_OUTAGES = 20
"""Outages in one report; 20 of them are 2 kB."""
MAX_HELD = 20
"""Documents in one report; more are not fetched at once on a line that is worth watching."""
MISSED = 3
"""Reports that have to be missing, one after the other, before a line is taken to be down."""
Bytes = Annotated[int, Field(ge=0, le=2**53 - 1)]
Rate = Annotated[int, Field(ge=0, le=2**53 - 1)]
"""Bytes per second."""


class Outage(Travelling):
    """A time without a connection, by the gateway's own clock."""

    down_at: Moment
    """When it went."""
    up_at: Moment
    """When it came back."""

    @model_validator(mode="after")
    def _ends_after_it_began(self) -> "Outage":
        if self.up_at < self.down_at:
            raise ValueError("an outage ends before it began: up_at is earlier than down_at")
        return self


class LineReport(Travelling):
    """How a gateway's line stands, while it is up.

    The next report, or any receipt, follows within ``every`` seconds while the line stays up; so silence means that it
    is down. ``outages`` are those that no broker has confirmed yet.
    """

    every: Annotated[int, Field(ge=1, le=86_400)]
    """Seconds until the next report."""
    rate_down: Rate | None = None
    """As measured on the content that was fetched; left out when it never was."""
    rate_up: Rate | None = None
    """As measured on the receipts that were sent; left out when it never was."""
    outages: Annotated[tuple[Outage, ...], Field(max_length=MAX_OUTAGES)] = ()
    """Those that no broker has confirmed yet."""


class Held(Travelling):
    """How much of a delivery's contents is on the gateway's disk, of how much: bytes as they travel, packed or not."""

    delivery_id: Id
    """Of which delivery."""
    held: Bytes
    """Bytes on the gateway's disk."""
    total: Bytes
    """Of how many."""

    @model_validator(mode="after")
    def _no_more_than_all(self) -> "Held":
        if self.held > self.total:
            raise ValueError(f"held is {self.held}, more than the total of {self.total}")
        return self
