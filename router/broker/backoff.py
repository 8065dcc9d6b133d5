"""Pauses between attempts: growing, jittered, and ended early when something better to do comes up."""

import asyncio
from contextlib import suppress
from typing import Any

from tenacity import RetryCallState
from tenacity.wait import wait_random_exponential


class Backoff:
    """Pauses that grow from one failure to the next, with full jitter, so that many clients do not come back at once.

    Args:
        first: the shortest pause, in seconds.
        longest: the longest pause, in seconds.
    """

    def __init__(self, first: float, longest: float) -> None:
        self._wait = wait_random_exponential(multiplier=2 * first, min=first, max=longest)
        self._failures = 0

    def pause(self) -> float:
        """How long to wait after one more failure, in seconds."""
        self._failures += 1
        no_call: Any = None  # the strategy reads the attempt's number only
        state = RetryCallState(no_call, None, (), {})
        state.attempt_number = self._failures
        return self._wait(state)

    def reset(self) -> None:
        """It works again: the next failure starts from the shortest pause."""
        self._failures = 0


async def sleep_unless(event: asyncio.Event, seconds: float | None) -> None:
    """Sleep so many seconds (None: for ever), or until the event is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
