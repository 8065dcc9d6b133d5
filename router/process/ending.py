"""The end of a process for certain: one that should have ended is seen by its supervisor only when it has."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from schemas.events import Event

log = structlog.get_logger()
END_WITHIN = 45.0
"""Seconds that a stop may take with all that it closes: what is crash-only may be cut off then."""
LEAVE_WITHIN = 10.0
"""Seconds for what is left when the program itself is over: threads that wait for somebody."""
_FAILED = 1


def end_within(seconds: float = END_WITHIN) -> None:
    """Cut this process off, with exit code 1, when it has not ended in so many seconds; returns at once."""
    threading.Thread(target=_cut_off, args=(threading.Event(), seconds), name="ending", daemon=True).start()


@contextmanager
def ending(seconds: float = LEAVE_WITHIN) -> Iterator[None]:
    """However the block is left, the process ends soon after. Best the innermost: what is closed last counts too."""
    try:
        yield
    finally:
        end_within(seconds)


def _cut_off(never: threading.Event, seconds: float) -> None:
    never.wait(seconds)
    held_by = sorted(thread.name for thread in threading.enumerate() if not thread.daemon)
    log.error(Event.PROCESS_CUT_OFF, after_seconds=seconds, held_by=held_by)
    sys.stderr.flush()
    os._exit(_FAILED)
