"""Contents on their way: each once, the urgent first, what nobody wants ended."""

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest

from consumers.errors import ContentGoneError
from consumers.fetching.order import QUANTUM
from consumers.fetching.traffic import Traffic, Want
from consumers.spool.taking import Content
from schemas.fetch_order import SMALL_PER_LARGE
from support.conditions import holds
from support.transfers import Fetches, wanting


def bringing(traffic: Traffic, *wanted: tuple[str, int, int]) -> AbstractAsyncContextManager[list[asyncio.Task[None]]]:
    """Deliveries that want one content each: its name, size, urgency."""
    wants = [(name, size, Want(urgency, since)) for since, (name, size, urgency) in enumerate(wanted)]
    return wanting(traffic, *wants)


async def test_a_content_that_many_want_is_fetched_once() -> None:
    fetches = Fetches()
    async with bringing(Traffic(fetches.fetch, slots=lambda: 4), *[("a", 100, 0)] * 3) as tasks:
        fetches.done["a"].set_result(None)
        await asyncio.gather(*tasks)
    assert fetches.begun == ["a"]


async def test_all_who_want_a_content_that_cannot_be_had_are_told() -> None:
    fetches = Fetches()
    async with bringing(Traffic(fetches.fetch, slots=lambda: 4), *[("a", 100, 0)] * 3) as tasks:
        fetches.done["a"].set_exception(ContentGoneError("404"))
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [ContentGoneError] * 3


async def test_an_express_document_pauses_what_is_being_read() -> None:
    fetches = Fetches()
    traffic = Traffic(fetches.fetch, slots=lambda: 4)
    async with bringing(traffic, ("bulk", 10**7, 0), ("small", 10, 1)):
        assert fetches.reading() == {"small"}
        async with bringing(traffic, ("express", 60_000, 3)) as tasks:
            assert fetches.reading() == {"express"}
            fetches.done["express"].set_result(None)
            await tasks[0]
        assert fetches.reading() == {"small"} | {"express"}
        fetches.done["small"].set_result(None)
        await holds(lambda: "bulk" in fetches.reading())
    assert fetches.begun == ["bulk", "small", "express"], "nothing was begun anew"


async def test_a_content_wanted_by_an_express_document_too_is_fetched_with_its_urgency() -> None:
    fetches = Fetches()
    traffic = Traffic(fetches.fetch, slots=lambda: 1)
    async with bringing(traffic, ("a", 10, 0), ("b", 1000, 0)):
        assert fetches.reading() == {"a"}
        async with bringing(traffic, ("b", 1000, 4)):
            assert fetches.reading() == {"b"}


async def test_what_waits_for_something_else_holds_up_nobody() -> None:
    fetches = Fetches()
    traffic = Traffic(fetches.fetch, slots=lambda: 1)
    async with bringing(traffic, ("stuck", 10, 4), ("next", 10, 0)):
        fetches.transfers["stuck"].waits_for = "the server answered 503"
        traffic.reorder()
        assert "next" in fetches.reading()
        fetches.transfers["stuck"].waits_for = ""
        traffic.reorder()
        assert fetches.reading() == {"stuck"}


async def test_small_work_pays_for_the_largest() -> None:
    fetches = Fetches()
    traffic = Traffic(fetches.fetch, slots=lambda: 1)
    async with bringing(traffic, ("large", 10**8, 0), ("small", 10**6, 0)):
        small, large = fetches.transfers["small"], fetches.transfers["large"]
        traffic.progressed(small, QUANTUM * SMALL_PER_LARGE - 1)
        assert fetches.reading() == {"small"}
        traffic.progressed(small, 1)
        assert fetches.reading() == {"large"}
        traffic.progressed(large, QUANTUM)
        assert fetches.reading() == {"small"}


async def test_a_transfer_that_nobody_wants_any_more_is_ended() -> None:
    fetches = Fetches()
    traffic = Traffic(fetches.fetch, slots=lambda: 1)
    async with bringing(traffic, ("a", 10, 0)):
        pass
    await traffic.close()
    assert fetches.ended == ["a"]


async def test_a_content_wanted_again_waits_until_its_earlier_transfer_has_let_go_of_the_file() -> None:
    fetches = Fetches()
    traffic = Traffic(fetches.fetch, slots=lambda: 1)
    fetches.slow_to_end.clear()
    async with bringing(traffic, ("a", 10, 0)):
        pass
    async with bringing(traffic, ("a", 10, 0)) as tasks:
        assert fetches.begun == ["a"]
        fetches.slow_to_end.set()
        await holds(lambda: fetches.begun == ["a", "a"])
        fetches.done["a"].set_result(None)
        await tasks[0]


@pytest.mark.parametrize("count", [1, 3])
async def test_a_documents_remaining_bytes_are_those_of_all_its_contents(count: int) -> None:
    fetches = Fetches()
    traffic = Traffic(fetches.fetch, slots=lambda: 4)
    want = Want(0, 0)
    tasks = [asyncio.create_task(traffic.bring(Content(f"{n}", 100), want)) for n in range(count)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    fetches.transfers["0"].done = 60
    fetches.transfers["0"].waits_for = "no room"
    assert want.remaining == count * 100 - 60
    assert want.waits_for == "no room"
    for future in fetches.done.values():
        future.set_result(None)
    await asyncio.gather(*tasks)
    assert want.remaining == 0
