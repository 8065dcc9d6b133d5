"""Runs a transaction in a thread, so that the event loop goes on."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from sqlalchemy import Connection

T = TypeVar("T")
Transaction = Callable[[], AbstractContextManager[Connection]]
"""Begins one; it is committed, or given up, at the end of its block."""


async def in_thread(transaction: Transaction, work: Callable[[Connection], T]) -> T:
    """What some work gives within a transaction of its own."""

    def run() -> T:
        with transaction() as conn:
            return work(conn)

    return await asyncio.to_thread(run)
