"""That whatever waits in the spool comes into work as soon as there is room for it, woken or not."""

import asyncio
from contextlib import suppress
from typing import cast

import pytest

from consumers.delivering import courier
from consumers.delivering.courier import WINDOW, Courier
from consumers.delivering.errand import Errand, Errands
from consumers.fetching.fetch import Transfer
from consumers.fetching.traffic import Traffic
from consumers.spool import Spool, Writer, work
from consumers.spool.taking import take
from consumers.spool.work import Arrived
from schemas.dispatch import Lane
from support.conditions import holds
from support.deliveries import ONE_MINUTE, arriving


class Gate:
    """In place of errands that fetch and hand over: each arrives when the gate is open, and not before."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.open = asyncio.Event()

    async def run(self, errand: Errand) -> None:
        await self.open.wait()
        await self._writer.run(work.arrive, Arrived(errand.item, 1, keep=False))
        errand.ended = True


async def never(_transfer: Transfer) -> None:
    raise AssertionError("nothing is fetched here")


def put(spool: Spool, count: int, first: int = 1) -> None:
    items = [arriving(seq=first + number) for number in range(count)]
    with spool.writing() as conn:
        take(conn, [(items, ONE_MINUTE)])


async def test_what_came_while_there_was_little_room_is_begun_when_there_is_more(
    spool: Spool, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "LONGEST_REST", 3600.0)
    gate = Gate(writer)
    made = Courier(spool, Traffic(never, slots=lambda: 1), cast("Errands", gate))
    put(spool, WINDOW - 60)
    running = asyncio.create_task(made.run())
    try:
        await holds(lambda: len(made.in_work()) == WINDOW - 60)
        put(spool, 60, first=WINDOW)
        made.wake()
        await holds(lambda: not made._woken.is_set())  # it has looked, and found too little room
        gate.open.set()
        await holds(lambda: waiting(spool) == 0)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def waiting(spool: Spool) -> int:
    with spool.reading() as conn:
        return len(work.outlook(conn, Lane.NORMAL, limit=1, without=()).ready)
