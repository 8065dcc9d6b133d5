"""Waiting for a condition, with a generous deadline instead of a guessed pause."""

import asyncio
import time
from collections.abc import Awaitable, Callable


async def holds(condition: Callable[[], bool | Awaitable[bool]], *, within: float = 30.0, what: str = "") -> None:
    """Return as soon as ``condition`` is true; fail when it is not within so many seconds."""
    deadline = time.monotonic() + within
    while True:
        answer = condition()
        if answer if isinstance(answer, bool) else await answer:
            return
        assert time.monotonic() < deadline, f"not within {within} s: {what or condition}"
        await asyncio.sleep(0.01)
