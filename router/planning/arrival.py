"""When something arrives over a line: pure decisions over what else has to come, the line's rate and its hours.

The order is the gateway's (:mod:`schemas.fetch_order`). Outside of a line's hours only what travels express is fetched.
What will be sent later is not known: nobody can know when it overtakes.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.dispatch import Lane, lane_of
from schemas.fetch_order import bytes_before
from schemas.opening import Hours, next_closing, next_opening
from schemas.unit import Link

ASSUMED_RATES: dict[Link, int] = {Link.LAN: 1_000_000, Link.WAN: 64_000, Link.DIALUP: 4_000}
"""Bytes/s of a line that was never measured. A dial-up line of 33.6 kbit/s gives 4,035; WAN is 512 kbit/s."""


@dataclass(frozen=True, slots=True)
class PendingDocument:
    """A document that has to come to a unit: how urgent it is, and the bytes that have yet to come."""

    urgency: int
    size: int


@dataclass(frozen=True, slots=True)
class Ahead:
    """Bytes that come before a document is complete: those that travel express, and the others."""

    express: int = 0
    normal: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.express + self.normal


def ahead_of(own: PendingDocument, backlog: Collection[PendingDocument]) -> Ahead:
    """What comes before a document that is sent behind a backlog.

    >>> backlog = [PendingDocument(3, 50), PendingDocument(0, 10), PendingDocument(0, 1000)]
    >>> ahead_of(PendingDocument(0, 100), backlog)
    Ahead(express=50, normal=32)
    """
    first = [piece for piece in backlog if piece.urgency > own.urgency]
    express = sum(piece.size for piece in first if lane_of(piece.urgency) is Lane.EXPRESS)
    normal = sum(piece.size for piece in first) - express
    peers = bytes_before(own.size, [piece.size for piece in backlog if piece.urgency == own.urgency])
    if lane_of(own.urgency) is Lane.EXPRESS:
        return Ahead(express + peers, normal)
    return Ahead(express, normal + peers)


def arrival(
    own: PendingDocument,
    backlog: Collection[PendingDocument],
    *,
    rate: float,
    windows: Sequence[Hours],
    zone: str,
    now: datetime,
    until: datetime,
) -> datetime | None:
    """When a document would be complete at its unit; None: not before ``until``.

    Args:
        own: the document.
        backlog: what has to come to the unit already.
        rate: of the line, in bytes/s, above 0.
        windows: the line's hours; none: always open.
        zone: IANA name of the zone of those hours.
        now: when it is sent, with its offset.
        until: how far to look.
    """
    ahead = ahead_of(own, backlog)
    free = now + timedelta(seconds=ahead.express / rate)
    needed = timedelta(seconds=(ahead.normal + own.size) / rate)
    if free > until or needed > until - free:
        return None
    if lane_of(own.urgency) is Lane.EXPRESS:
        return free + needed
    return _through_hours(free, needed, windows, zone, until)


def _through_hours(
    start: datetime, needed: timedelta, windows: Sequence[Hours], zone: str, until: datetime
) -> datetime | None:
    """When so much time has passed with the line open."""
    at = start
    while at <= until:
        at = next_opening(windows, at, zone)
        closing = next_closing(windows, at, zone) if windows else None
        if closing is None or closing - at >= needed:
            return at + needed if at + needed <= until else None
        needed -= closing - at
        at = closing
    return None
