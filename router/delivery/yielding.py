"""Leaves what comes to the other routers while this one's ledger is away: here it would only lie and wait."""

import time
from collections.abc import Callable, Mapping

import structlog

from router.broker import Consumer
from router.ledger.writer import Writer
from schemas.events import Event

log = structlog.get_logger()
PATIENCE = 5.0
"""Seconds that the ledger may be away before the queues are left: a fail-over is no reason yet."""


class Yielding:
    """Has consumers rest, so that what was sent ahead to them goes back to its queue.

    A router that has lost its database but not its broker would go on taking until its prefetch is full, and hold that
    until the broker's consumer timeout. One that is alone loses nothing by it: the broker keeps what waits.

    Args:
        writer: the ledger's group commit, which says whether the database takes changes.
        consumers: each with its queue.
        clock: seconds of a clock that only goes forward.
    """

    def __init__(
        self, writer: Writer, consumers: Mapping[str, Consumer], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._writer = writer
        self._consumers = consumers
        self._clock = clock
        self._away_since: float | None = None
        self._rests = False

    async def look(self) -> None:
        """Leave the queues when the ledger has been away for too long, and come back with it."""
        if self._writer.available:
            self._away_since = None
        elif self._away_since is None:
            self._away_since = self._clock()
        rests = self._away_since is not None and self._clock() - self._away_since >= PATIENCE
        if rests is self._rests:
            return
        self._rests = rests
        log.warning(Event.CONSUMERS_REST if rests else Event.CONSUMERS_BACK, queues=list(self._consumers))
        for queue, consumer in self._consumers.items():
            consumer.rest([queue] if rests else [])
