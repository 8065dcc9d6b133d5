"""Has what is owed counted by the terms of now: after an upgrade, a moved holiday, other office hours."""

import asyncio

import structlog
from sqlalchemy import Engine

from router.ledger.engine import reading
from router.ledger.way import counting
from router.ledger.way.counting import AT_ONCE, CountedBy, Turn
from router.ledger.writer import Writer
from schemas.duties import Terms
from schemas.events import Event

PAUSE = 0.1
"""Seconds between two steps, in which others have the ledger."""
log = structlog.get_logger()


class Deadlines:
    """Counts once after each start; while nothing has changed that is one look at one row.

    Args:
        engine: the ledger, for reading.
        writer: the ledger's group commit.
        terms: the organisation's.
        pause: see :data:`PAUSE`.
    """

    def __init__(self, engine: Engine, writer: Writer, terms: Terms, *, pause: float = PAUSE) -> None:
        self._engine, self._writer, self._terms, self._pause = engine, writer, terms, pause
        self._is_done, self._is_told = False, False
        self._stood = ""

    async def look(self) -> None:
        """Count all that is counted by other terms, some at a time, so that no transaction is long.

        Where another router counts by other terms, that is said once, and left to it: what it has finished is counted
        by these after the start of this one alone, so the two never undo each other's work in turns.
        """
        if self._is_done:
            self._tell(is_other=await asyncio.to_thread(self._is_by_others))
            return
        changed = 0
        while not self._is_done:
            step = await self._writer.run(counting.step, Turn(self._terms, self._stood), weight=AT_ONCE)
            self._stood, self._is_done, changed = step.other, step.is_done, changed + step.changed
            self._tell(is_other=bool(step.other))
            if step.other:
                return
            await asyncio.sleep(0.0 if self._is_done else self._pause)
        if changed:
            log.info(Event.DEADLINES_COUNTED, deliveries=changed)

    def _tell(self, *, is_other: bool) -> None:
        if is_other and not self._is_told:
            log.warning(Event.DEADLINES_DIFFER)
        self._is_told = is_other

    def _is_by_others(self) -> bool:
        with reading(self._engine) as conn:
            return counting.counted_by(conn, self._terms) is CountedBy.OTHER
