"""Carries redrives out: does a step of each that is in work, and wakes the relay for what was sent again."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic

import structlog
from sqlalchemy import Connection, Engine

from router.ledger.engine import reading
from router.ledger.redrives import afterwards, stepping
from router.ledger.redrives.afterwards import Late
from router.ledger.redrives.decisions import TICK_MS, JobState
from router.ledger.redrives.stepping import Stepped
from router.ledger.writer import Writer
from schemas.clock import Clock, now_ms
from schemas.events import Event

log = structlog.get_logger()
LOOK_EVERY = TICK_MS / 1000
"""Seconds between two looks at the redrives in work."""
LATE_EVERY = 5.0
"""Seconds between two looks at what is still under way after it was watched."""


class Redriver:
    """One redriver; any number may run on the same PostgreSQL ledger, and each redrive has one of them at a time.

    Args:
        engine: the ledger, for reading.
        writer: the ledger's group commit: what a step changes shares a commit with the router's other changes.
        wake: called when something was sent again.
        clock: the present.
    """

    def __init__(self, engine: Engine, writer: Writer, wake: Callable[[], None], *, clock: Clock = now_ms) -> None:
        self._engine = engine
        self._writer = writer
        self._wake = wake
        self._step = partial(_step, clock)
        self._settle_late = partial(_settle_late, clock)
        self._late_at = 0.0

    async def look(self) -> None:
        """Do a step of every redrive in work; now and then look at what is still under way after its watch."""
        if monotonic() >= self._late_at:
            self._late_at = monotonic() + LATE_EVERY
            for late in await self._writer.run(self._settle_late, None, weight=stepping.WEIGHT):
                log.warning(Event.REDRIVE_STEPPED, redrive_id=late.redrive_id, sent=0, state=late.state, note=late.note)
        for key in await asyncio.to_thread(self._in_work):
            done = await self._writer.run(self._step, key, weight=stepping.WEIGHT)
            if done.sent:
                self._wake()
            if done.sent or done.changed:
                write = log.warning if done.state is JobState.STOPPED else log.info
                write(Event.REDRIVE_STEPPED, redrive_id=key, sent=done.sent, state=done.state.value, note=done.note)

    def _in_work(self) -> list[str]:
        with reading(self._engine) as conn:
            return stepping.in_work(conn)


def _settle_late(clock: Clock, conn: Connection, asked: Sequence[None]) -> list[list[Late]]:
    late = afterwards.settle(conn, now_ms=clock())
    return [late, *([] for _ in asked[1:])]


def _step(clock: Clock, conn: Connection, keys: Sequence[str]) -> list[Stepped]:
    return [stepping.step(conn, key, now_ms=clock()) for key in keys]
