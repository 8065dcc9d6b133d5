"""Contents on their way without a line: a transfer is done when the test says so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from consumers.fetching.fetch import Transfer
from consumers.fetching.traffic import Traffic, Want
from consumers.spool.taking import Content


class Fetches:
    """Stands for the line: a transfer is done when the test says so."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.transfers: dict[str, Transfer] = {}
        self.done: dict[str, asyncio.Future[None]] = {}
        self.ended: list[str] = []
        self.slow_to_end = asyncio.Event()
        self.slow_to_end.set()

    async def fetch(self, transfer: Transfer) -> None:
        self.begun.append(transfer.sha256)
        self.transfers[transfer.sha256] = transfer
        self.done[transfer.sha256] = asyncio.get_running_loop().create_future()
        try:
            await self.done[transfer.sha256]
        except asyncio.CancelledError:
            await self.slow_to_end.wait()
            self.ended.append(transfer.sha256)
            raise

    def reading(self) -> set[str]:
        return {key for key, transfer in self.transfers.items() if transfer.may_read.is_set()}


@asynccontextmanager
async def wanting(traffic: Traffic, *wanted: tuple[str, int, Want]) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Deliveries that want one content each, by its name and size."""
    tasks = [asyncio.create_task(traffic.bring(Content(name, size), want)) for name, size, want in wanted]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    yield tasks
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
