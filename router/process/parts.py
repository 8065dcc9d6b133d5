"""Runs the parts of a process side by side: what passes is tried again in place, any other failure stops them all.

The way out of a failure is the way of a stop: the part that failed asks for one, everything is closed in its order, and
only then the failure is raised. So no part is cut off by another's end, and nothing is left that holds the process.
"""

import asyncio
from collections.abc import Callable, Coroutine

import structlog

from router.broker.backoff import Backoff
from router.process.fate import fate_of
from schemas.events import Event

log = structlog.get_logger()
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
Start = Callable[[], Coroutine[None, None, None]]
"""Begins a part, or begins it anew."""


class PartFailedError(Exception):
    """A part that has to run until the end of the process failed, or ended by itself; the process ends with it."""

    exit_code = 1
    hint = "the log has the traceback; whatever runs the process starts it again"


class Tended:
    """The parts of a process, begun one by one.

    Args:
        stop: asks the process to stop.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._stopping = False
        self._failure: PartFailedError | None = None

    def stopping(self) -> None:
        """From now on a part may end by itself."""
        self._stopping = True

    def start(self, name: str, start: Start) -> asyncio.Task[None]:
        """Run a part until it is cancelled or ends after :meth:`stopping`; it raises nothing else."""
        return asyncio.create_task(self._tend(name, start), name=name)

    def require_none_failed(self) -> None:
        """Raise what stopped the parts.

        Raises:
            PartFailedError: one of them failed.
        """
        if self._failure is not None:
            raise self._failure

    async def _tend(self, name: str, start: Start) -> None:
        pauses = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        while True:
            try:
                await start()
            except Exception as error:
                if not fate_of(error).passes:
                    log.exception(Event.PART_FAILED, part=name)
                    self._fail(PartFailedError(f"the part {name} failed: {type(error).__name__}: {error}"), error)
                    return
                pause = pauses.pause()
                log.warning(Event.PART_WAITS, part=name, error=str(error), retry_in=round(pause, 1))
            else:
                if not self._stopping:
                    log.error(Event.PART_FAILED, part=name)
                    self._fail(PartFailedError(f"the part {name} ended by itself"), None)
                return
            await asyncio.sleep(pause)

    def _fail(self, failure: PartFailedError, cause: Exception | None) -> None:
        failure.__cause__ = cause
        self._failure = self._failure or failure
        self._stop()


async def end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel parts and wait until they have ended."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
