"""What a sink is given and what it may answer: the contract between the gateway and the unit's own systems."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from schemas.descriptor import Descriptor


@dataclass(frozen=True, slots=True)
class DocumentFile:
    """An attachment that is here, whole and verified; ``path`` is read, never written or moved."""

    name: str
    path: Path
    media_type: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Document:
    """One delivery, complete: the letter, when its descriptor was taken (UTC milliseconds), and its files."""

    delivery_id: str
    unit: str
    seq: int
    descriptor: Descriptor
    received_at: int
    files: tuple[DocumentFile, ...] = ()
    traceparent: str = ""


class Sink(Protocol):
    """Where a unit's documents are handed to.

    A sink is called from the event loop and may be called for several documents at once, never for the same one
    twice at the same time. It may be called again for a document it has taken already, because the gateway was killed
    before it could note that: it is idempotent by ``delivery_id``.
    """

    async def deliver(self, document: Document) -> None:
        """Hand a document over; returning means that it is there to stay.

        Raises:
            SinkRetryError: it did not work this time; another try may.
            SinkTroubleError: as above, and this machine is to blame: it costs the document no try.
            SinkRefusedError: the receiving system will never take this document; it is parked at once.
        """

    async def close(self) -> None:
        """Let go of connections; deliveries in work are finished before this is called."""
