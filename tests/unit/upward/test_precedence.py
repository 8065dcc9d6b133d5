"""Up and down share a line: urgent first in both directions, equals side by side."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hypothesis import given
from hypothesis import strategies as st

from consumers.fetching.fetch import Transfer
from consumers.fetching.order import Share, WaitingContent, choose
from consumers.fetching.traffic import Traffic, Want
from consumers.line.precedence import NOTHING, Precedence, Side
from consumers.spool.taking import Content


class Direction:
    """Stands for one way of the line: a transfer is done when the test says so."""

    def __init__(self, side: Side) -> None:
        self.traffic = Traffic(self.move, slots=lambda: 1, side=side)
        self.transfers: dict[str, Transfer] = {}
        self.done: dict[str, asyncio.Future[None]] = {}

    async def move(self, transfer: Transfer) -> None:
        self.transfers[transfer.sha256] = transfer
        self.done[transfer.sha256] = asyncio.get_running_loop().create_future()
        await self.done[transfer.sha256]

    def moving(self) -> set[str]:
        return {key for key, transfer in self.transfers.items() if transfer.may_read.is_set()}

    @asynccontextmanager
    async def wanted(self, name: str, urgency: int) -> AsyncIterator[None]:
        task = asyncio.create_task(self.traffic.bring(Content(name, 1000), Want(urgency, 0)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self.transfers.pop(name)


async def test_equals_move_in_both_directions_at_once() -> None:
    shared = Precedence()
    down, up = Direction(shared.side()), Direction(shared.side())
    async with down.wanted("a", 0), up.wanted("b", 0):
        assert (down.moving(), up.moving()) == ({"a"}, {"b"})


async def test_what_is_urgent_in_one_direction_holds_the_other_until_it_is_done() -> None:
    shared = Precedence()
    down, up = Direction(shared.side()), Direction(shared.side())
    for one, other in ((down, up), (up, down)):
        async with one.wanted("bulk", 0):
            async with other.wanted("express", 3):
                assert (one.moving(), other.moving()) == (set(), {"express"})
            assert one.moving() == {"bulk"}


async def test_what_waits_for_something_else_holds_nobody_up() -> None:
    shared = Precedence()
    down, up = Direction(shared.side()), Direction(shared.side())
    async with down.wanted("bulk", 0), up.wanted("express", 4):
        up.transfers["express"].waits_for = "the server answered 503"
        up.traffic.reorder()
        assert down.moving() == {"bulk"}


@given(st.lists(st.integers(0, 4), max_size=6), st.integers(NOTHING, 4), st.integers(1, 4))
def test_nothing_below_the_other_directions_class_moves(urgencies: list[int], floor: int, slots: int) -> None:
    jobs = [WaitingContent(str(index), urgency, 10, 0) for index, urgency in enumerate(urgencies)]
    chosen = choose(jobs, slots=slots, share=Share(), floor=floor).keys
    assert all(jobs[int(key)].urgency >= floor for key in chosen)
    assert bool(chosen) is (max(urgencies, default=NOTHING) >= max(floor, 0))
