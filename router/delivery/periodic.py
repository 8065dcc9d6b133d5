"""Does something every so many seconds, until the process ends."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from router.errors import UnavailableError
from schemas.events import Event

log = structlog.get_logger()


async def periodically(act: Callable[[], Awaitable[None]], every: float) -> None:
    """Until cancelled, do something every so many seconds; while the ledger is away, it is left for the next time."""
    while True:
        try:
            await act()
        except UnavailableError as error:
            log.warning(Event.CLOCK_SKIPPED, clock=act.__qualname__, error=str(error))
        await asyncio.sleep(every)
