"""Waiting for a condition, with a generous deadline instead of a guessed pause."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

SHORTEST_PAUSE, LONGEST_PAUSE = 0.01, 0.25


def pauses(within: float) -> Iterator[float]:
    """Seconds to wait after each look, the last at a deadline: they grow, for who looks takes the time of who works."""
    began = time.monotonic()
    waited = 0.0
    while waited < within:
        waited = time.monotonic() - began
        yield min(max(waited / 10, SHORTEST_PAUSE), LONGEST_PAUSE)


def until(condition: Callable[[], bool], *, within: float = 60.0, what: str = "") -> None:
    """As :func:`holds`, for who blocks."""
    for pause in pauses(within):
        if condition():
            return
        time.sleep(pause)
    raise AssertionError(f"not within {within} s: {what or condition}")


async def holds(condition: Callable[[], bool | Awaitable[bool]], *, within: float = 30.0, what: str = "") -> None:
    """Return as soon as ``condition`` is true; fail when it is not within so many seconds."""
    for pause in pauses(within):
        answer = condition()
        if answer if isinstance(answer, bool) else await answer:
            return
        await asyncio.sleep(pause)
    raise AssertionError(f"not within {within} s: {what or condition}")
