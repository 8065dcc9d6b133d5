"""What is slow in a thread holds up nothing that is short, and many short looks wait at once."""

import asyncio
import threading
from contextvars import ContextVar

from router.process.threads import SHORT_LOOKS, SLOW, slowly, widen

WITHIN = 20.0
name = ContextVar("name", default="")


async def test_slow_work_takes_no_thread_from_short_looks() -> None:
    widen()
    over = threading.Event()
    slow = [asyncio.create_task(slowly(over.wait, WITHIN)) for _ in range(2 * SLOW)]
    meeting = threading.Barrier(SHORT_LOOKS)
    try:
        looks = [asyncio.to_thread(meeting.wait, WITHIN) for _ in range(SHORT_LOOKS)]
        assert sorted(await asyncio.gather(*looks)) == list(range(SHORT_LOOKS))
        assert not any(task.done() for task in slow)
    finally:
        over.set()
    assert await asyncio.gather(*slow) == [True] * len(slow)


async def test_slow_work_knows_in_whose_context_it_is_done() -> None:
    name.set("lan")
    assert await slowly(name.get) == "lan"
