"""Does something every so many seconds, until the process ends."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from router.process.fate import may_pass
from schemas.events import Event

log = structlog.get_logger()


async def periodically(act: Callable[[], Awaitable[None]], every: float) -> None:
    """Until cancelled, do something every so many seconds; while something is away, it is left for the next time."""
    while True:
        try:
            await act()
        except Exception as error:
            if not may_pass(error):
                raise
            log.warning(Event.CLOCK_SKIPPED, clock=act.__qualname__, error=str(error))
        await asyncio.sleep(every)
