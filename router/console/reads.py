"""Asks and changes the ledger in threads, so that the event loop goes on."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from router.faces import Services
from router.ledger.engine import reading, writing

T = TypeVar("T")


async def look(services: Services, query: Callable[[Connection], T]) -> T:
    """Run queries in one transaction that reads."""

    def work() -> T:
        with reading(services.engine) as conn:
            return query(conn)

    return await asyncio.to_thread(work)


async def change(services: Services, act: Callable[[Connection], T]) -> T:
    """Run changes in one transaction that writes."""

    def work() -> T:
        with writing(services.engine) as conn:
            return act(conn)

    return await asyncio.to_thread(work)
