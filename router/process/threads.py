"""The threads in which a program blocks: many for short looks, a few for what reads whole files.

Python's own pool has four threads more than the machine has cores. A slow round over the store, a large file that is
hashed and some lists that the ledger is asked for would fill it, and a question that takes a millisecond would wait.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
SHORT_LOOKS = 32
"""Threads for :func:`asyncio.to_thread` after :func:`widen`."""
SLOW = 6
"""Threads for :func:`slowly`: the scrub has one, the collector another, and four files are hashed at a time."""
_slow = ThreadPoolExecutor(SLOW, thread_name_prefix="slow")


def widen() -> None:
    """Give the running loop enough threads for its short looks; to be called before the first of them."""
    looks = ThreadPoolExecutor(SHORT_LOOKS, thread_name_prefix="looks")
    asyncio.get_running_loop().set_default_executor(looks)


async def slowly(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """As :func:`asyncio.to_thread`, for what may take seconds or minutes: nothing short waits for it."""
    call = partial(copy_context().run, work, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_slow, call)
