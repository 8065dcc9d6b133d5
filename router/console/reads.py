"""Asks and changes the ledger in threads, so that the event loop goes on."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from router.faces import Services
from router.ledger.engine import reading, writing
from router.storage.transactions import in_thread

T = TypeVar("T")


async def look(services: Services, query: Callable[[Connection], T]) -> T:
    """Run queries in one transaction that reads."""
    return await in_thread(partial(reading, services.engine), query)


async def change(services: Services, act: Callable[[Connection], T]) -> T:
    """Run changes in one transaction that writes."""
    return await in_thread(partial(writing, services.engine), act)
