"""What is removed by time: contents that nothing names, traces of ended dispatches, unfinished uploads, old outages."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog
from sqlalchemy import Connection

from router.content.collecting import Collector
from router.content.uploads import UploadStore
from router.ledger.units import presence
from router.ledger.way import retention
from router.ledger.way.retention import AT_ONCE, RetentionPage, Stepped
from router.ledger.writer import Writer
from router.process.threads import slowly
from schemas.clock import Clock, now_ms
from schemas.events import Event

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RetentionPeriods:
    """How long what belongs to ended dispatches is kept, in seconds; 0: for ever."""

    receipts: float = 0.0
    attempts: float = 0.0
    contents: float = 0.0


class Retention:
    """Forgets what is too old.

    Args:
        writer: the ledger's group commit.
        collector: removes contents.
        kept: how long each kind is kept.
    """

    def __init__(self, writer: Writer, collector: Collector, kept: RetentionPeriods) -> None:
        self._writer = writer
        self._collector = collector
        self._kept = kept
        self._looked_before = False

    async def look(self) -> None:
        """Forget what is too old now; contents from the second look on.

        After an older ledger was restored it does not know all that dispatches name: by then a gateway has said so.
        """
        forgotten = {
            "receipts": await self._forget(retention.forget_receipts, self._kept.receipts),
            "attempts": await self._forget(retention.forget_attempts, self._kept.attempts),
            "contents": await self._forget(retention.let_go_of_contents, self._kept.contents),
        }
        if any(forgotten.values()):
            log.info(Event.LEDGER_PRUNED, **forgotten)
        if not self._looked_before:
            self._looked_before = True
            return
        try:
            await slowly(self._collector.run)
        except OSError as error:
            log.warning(Event.CONTENT_SCRUB_FAILED, error=str(error))

    async def _forget(
        self, some: Callable[[Connection, Sequence[RetentionPage]], Sequence[Stepped]], kept: float
    ) -> int:
        """All of a kind, some at a time, so that no transaction is long; how many."""
        if not kept:
            return 0
        total, page = 0, RetentionPage(now_ms() - round(kept * 1000))
        while True:
            done = await self._writer.run(some, page, weight=AT_ONCE)
            total += done.count
            if done.last is None:
                return total
            page = replace(page, after=done.last)


class UploadExpiry:
    """Removes unfinished uploads for which nothing has come for too long."""

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
