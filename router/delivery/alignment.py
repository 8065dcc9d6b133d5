"""Sends what waited for a line that its unit has now, holds what lost its line, puts right what waits too long."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import structlog
from sqlalchemy import Connection

from router.ledger.units.lines import Aligned, align
from router.ledger.way.righting import Waits, put_right
from router.ledger.writer import Writer
from schemas.clock import Clock, now_ms
from schemas.events import Event

log = structlog.get_logger()


class Alignment:
    """Compares deliveries with their units' links.

    Args:
        writer: the ledger's group commit.
        wake: called when something was set going.
        waits: the longest that anything may wait.
        clock: the present.
    """

    def __init__(self, writer: Writer, wake: Callable[[], None], waits: Waits, *, clock: Clock = now_ms) -> None:
        self._writer = writer
        self._wake = wake
        self._handle = partial(_align, clock, waits)

    async def align(self) -> None:
        """Compare once."""
        aligned = await self._writer.run(self._handle, None)
        if aligned.released or aligned.held:
            log.info(Event.DELIVERIES_ALIGNED, released=aligned.released, held=aligned.held)
            self._wake()


def _align(clock: Clock, waits: Waits, connection: Connection, wishes: Sequence[None]) -> list[Aligned]:
    now = clock()
    aligned = align(connection, now)
    aligned = replace(aligned, released=aligned.released + put_right(connection, now, waits))
    return [aligned, *[Aligned(0, 0)] * (len(wishes) - 1)]
