"""Whether descriptors can be taken into custody: when the disk is full, nothing more is let over the line.

Without this, the broker sends what the spool could not take again and again, over a line that others pay for.
"""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import structlog

from consumers.errors import SpoolUnavailableError
from schemas.clock import now_ms
from schemas.events import Event

log = structlog.get_logger()
LOOK_EVERY = 5.0
LONGEST_PAUSE = 300.0
"""Seconds until the next try where the disk says that it has room, and the spool could not be written all the same."""
MARGIN_BYTES = 1024**2
"""Free above the reserve before anything is taken again, so that a disk at its edge does not begin and stop."""


class Room:
    """Watches the disk that the spool is on.

    Args:
        directory: of the spool.
        reserve_bytes: free bytes that stay on its disk.
        clock: UTC milliseconds.

    Attributes:
        reason: why nothing is taken now; empty: it is.
        since: since when (UTC milliseconds).
    """

    def __init__(self, directory: Path, *, reserve_bytes: int, clock: Callable[[], int] = now_ms) -> None:
        self._directory = directory
        self._reserve = reserve_bytes
        self._clock = clock
        self._pause = 0.0
        self._until = 0
        self.reason = ""
        self.since = 0
        self.on_change: list[Callable[[], None]] = []

    def free(self) -> int:
        """Bytes above the reserve; below 0 when it is touched already."""
        return shutil.disk_usage(self._directory).free - self._reserve

    def require(self) -> None:
        """Check that something can be taken.

        Raises:
            SpoolUnavailableError: the disk is full.
        """
        if (free := self.free()) < 0:
            raise SpoolUnavailableError(
                f"{free + self._reserve} bytes are free beside the spool in {self._directory}, {self._reserve} have to "
                "stay; descriptors wait in the broker until there is room"
            )

    def ran_out(self, reason: str) -> None:
        """Take nothing until :meth:`look` finds that it may work again."""
        now = self._clock()
        if not self.reason:
            self._pause = min(max(2 * self._pause, LOOK_EVERY), LONGEST_PAUSE)
            self._until, self.since = now + round(self._pause * 1000), now
            log.warning(Event.TAKING_PAUSED, reason=reason, free=self.free())
        self.reason = reason
        self._tell()

    def took(self) -> None:
        """Something was taken: the next trouble is a new one."""
        self._pause = 0.0

    def look(self) -> None:
        """Pause before the first descriptor is refused; go on when there is room again."""
        try:
            self.require()
        except SpoolUnavailableError as error:
            if not self.reason:
                self.ran_out(str(error))
            return
        if self.reason and self._clock() >= self._until and self.free() >= MARGIN_BYTES:
            self.reason, self.since = "", 0
            log.info(Event.TAKING_RESUMED, free=self.free())
            self._tell()

    async def run(self) -> None:
        """Look every few seconds; never returns."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_EVERY)

    def _tell(self) -> None:
        for callback in self.on_change:
            callback()
