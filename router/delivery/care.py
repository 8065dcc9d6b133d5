"""Ends the care of a group of stuck deliveries when nothing is left of it."""

import asyncio

from sqlalchemy import Engine

from router.ledger.acts import stuck_care
from router.ledger.engine import reading
from router.ledger.writer import Writer
from schemas.clock import Clock, day_at, now_ms


class CareWatch:
    """Looks whether the groups that somebody takes care of are still there.

    Args:
        engine: the ledger, for reading.
        writer: the ledger's group commit.
        timezone: whose day it is.
        clock: the present.
    """

    def __init__(self, engine: Engine, writer: Writer, timezone: str, *, clock: Clock = now_ms) -> None:
        self._engine, self._writer = engine, writer
        self._timezone, self._clock = timezone, clock

    async def look(self) -> None:
        """Look once; nothing is written when all of them are there."""
        now = self._clock()
        if await asyncio.to_thread(self._any_empty, now):
            await self._writer.run(stuck_care.end_empty, (now, self._timezone))

    def _any_empty(self, now: int) -> bool:
        with reading(self._engine) as conn:
            return bool(stuck_care.empty_ones(conn, day_at(now, self._timezone)))
