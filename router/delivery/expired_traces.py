"""Removes what nobody asks for any more: unfinished uploads, and the outages of long ago."""

import asyncio

from router.content.uploads import UploadStore
from router.ledger.units import presence
from router.ledger.writer import Writer
from schemas.clock import Clock, now_ms


class UploadExpiry:
    """Removes unfinished uploads for which nothing came in too long."""

    def __init__(self, uploads: UploadStore) -> None:
        self._uploads = uploads

    async def sweep(self) -> None:
        """Remove all that have expired."""
        await asyncio.to_thread(self._uploads.sweep)


class OutageRetention:
    """Forgets when lines were down long ago: a line that drops every two minutes would fill the ledger.

    Args:
        writer: the ledger's.
        kept: seconds that an outage is remembered after its end.
        clock: the present.
    """

    def __init__(self, writer: Writer, *, kept: float, clock: Clock = now_ms) -> None:
        self._writer = writer
        self._kept = kept
        self._clock = clock

    async def prune(self) -> None:
        """Forget what is too old now."""
        await self._writer.run(presence.forget_outages, self._clock() - round(self._kept * 1000))
