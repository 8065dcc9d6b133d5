"""Which units' lines are closed now: outside of their hours only express work is fetched, and receipts go.

The hours are the directory's. They come with the list of units that the router gives (see
:mod:`consumers.taking.hosting`) and are remembered with it, so a gateway keeps to them while it cannot ask.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import structlog

from schemas.dispatch import Lane, lane_of
from schemas.events import Event
from schemas.opening import is_open, next_opening, parse_opening
from schemas.zone import zone

log = structlog.get_logger()
LOOK_EVERY = 5.0


class UnitHours(NamedTuple):
    """A unit's hours, as :func:`schemas.opening.parse_opening` reads them, and the zone whose clock they are of."""

    opening: str
    timezone: str

    def opens_at(self, instant: datetime) -> datetime | None:
        """When the line opens; None: it is open at this instant."""
        windows = parse_opening(self.opening)
        return None if is_open(windows, instant, self.timezone) else next_opening(windows, instant, self.timezone)


class Openings:
    """Knows what is closed, and reports when that changes.

    Args:
        clock: the present, with its offset.
    """

    def __init__(self, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._units = 0
        self._hours: Mapping[str, UnitHours] = {}
        self.closed: frozenset[str] = frozenset()
        """The units whose lines are closed."""
        self.on_change: list[Callable[[], None]] = []
        """Called when it has changed."""

    def adopt(self, units: int, hours: Mapping[str, UnitHours]) -> None:
        """Keep to these hours; ``units`` are hosted, those that are not named are always open."""
        self._units, self._hours = units, hours
        self.look()

    def look(self) -> None:
        """See what is closed now."""
        now = self._clock()
        closed = frozenset(code for code, hours in self._hours.items() if hours.opens_at(now) is not None)
        if closed == self.closed:
            return
        self.closed = closed
        log.info(Event.OPENING_CHANGED, closed=len(closed), units=self._units)
        for tell in self.on_change:
            tell()

    def lets(self, unit: str, urgency: int) -> bool:
        """Whether work for a unit may use the line now; for none in particular, whether any unit's line is open."""
        if lane_of(urgency) is Lane.EXPRESS:
            return True
        return unit not in self.closed if unit else not self.closed or len(self.closed) < self._units

    async def run(self) -> None:
        """Look every few seconds; never returns."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_EVERY)

    def summary(self) -> str:
        """What there is to say of it in a few words: the hours of a single unit, else how many units are closed."""
        if not self._hours:
            return ""
        if self._units > 1:
            return f"{len(self.closed)} of {self._units} units closed"
        (hours,) = self._hours.values()
        opens_at = hours.opens_at(self._clock())
        there = ZoneInfo(hours.timezone)
        state = "open" if opens_at is None else f"closed until {opens_at.astimezone(there):%H:%M}"
        return f"{hours.opening} ({hours.timezone}), {state}"


def local_clock(instant: datetime) -> str:
    """The time of an instant in the organisation's zone."""
    return f"{instant.astimezone(zone()):%H:%M}"
