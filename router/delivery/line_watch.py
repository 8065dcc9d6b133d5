"""Takes lines to be down that were silent for too long while this router could hear them."""

from collections.abc import Callable, Sequence
from functools import partial

import structlog
from sqlalchemy import Connection

from router.delivery.hearing import Hearing
from router.ledger.units import presence
from router.ledger.units.presence import Listening
from router.ledger.writer import Writer
from schemas.clock import Clock, now_ms
from schemas.events import Event

log = structlog.get_logger()
_LATE_MS = 10_000
"""A look that took longer waited for the ledger, and so did whatever gateways said meanwhile."""


class LineWatch:
    """Watches the lines.

    Args:
        writer: the ledger's group commit.
        hearing: since when silence counts.
        doubt: told why the broker may not stand as planned: with the receipts' exchange gone, all lines fall silent.
        clock: the present.
    """

    def __init__(
        self,
        writer: Writer,
        hearing: Hearing,
        *,
        doubt: Callable[[str], None] = lambda _why: None,
        clock: Clock = now_ms,
    ) -> None:
        self._writer = writer
        self._hearing = hearing
        self._doubt = doubt
        self._clock = clock
        self._note_silent = partial(_note_silent, clock)

    async def look(self) -> None:
        """Take silent lines to be down."""
        began = self._clock()
        if not self._hearing.is_connected:
            return
        down = await self._writer.run(self._note_silent, Listening(began, self._hearing.since_ms))
        if down:
            log.warning(Event.LINES_SILENT, lines=len(down), unit=down[0])
            self._doubt("lines have fallen silent")
        if self._clock() - began > _LATE_MS:
            self._hearing.begin_anew()


def _note_silent(clock: Clock, connection: Connection, looks: Sequence[Listening]) -> list[list[str]]:
    now = clock()
    return [presence.note_silent(connection, look) if now - look.now_ms <= _LATE_MS else [] for look in looks]
