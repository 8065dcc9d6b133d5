"""The body of a request that goes up: ended when the line is wanted, and no error of ours taken for the line's."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from consumers.errors import LineError
from consumers.line.faults import separating_faults
from consumers.sending.body import PieceBody


class Asked:
    """A server that notes how many bytes came, and says it."""

    def __init__(self) -> None:
        self.came = 0
        self.ended = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        async for chunk in request.content.iter_any():
            self.came += len(chunk)
        return web.Response(text=str(self.came))


class Deaf(Asked):
    """A server that reads nothing."""

    async def take(self, request: web.Request) -> web.Response:
        del request
        await self.ended.wait()
        return web.Response()


async def send(tmp_path: Path, asked: Asked, *, size: int = 1_000_000, **changed: Any) -> tuple[PieceBody, str]:
    path = tmp_path / "a"
    path.write_bytes(bytes(size))
    may_go = asyncio.Event()
    may_go.set()
    application = web.Application(client_max_size=1 << 30)
    application.router.add_patch("/", asked.take)
    server = TestServer(application)
    await server.start_server()
    given: dict[str, Any] = {
        "begin": 0,
        "end": size,
        "piece": 1000,
        "may_go": may_go,
        "patience": lambda: 5.0,
        "on_acknowledged": lambda _count: None,
    }
    try:
        with path.open("rb", buffering=0) as file:
            body = PieceBody(file, **(given | changed))
            async with aiohttp.ClientSession() as http:
                with separating_faults():
                    async with http.patch(server.make_url("/"), data=body) as answer:
                        return body, await answer.text()
    finally:
        asked.ended.set()
        await server.close()


async def test_the_range_goes_out_and_nothing_else(tmp_path: Path) -> None:
    body, said = await send(tmp_path, Asked(), begin=100, end=5_100)
    assert (body.position, said) == (5_100, "5000")
    assert body.round_trip > 0


async def test_it_ends_in_good_order_when_the_line_is_wanted(tmp_path: Path) -> None:
    asked, may_go = Asked(), asyncio.Event()
    may_go.set()
    acknowledged: list[int] = []

    def on_acknowledged(count: int) -> None:
        acknowledged.append(count)
        may_go.clear()

    body, said = await send(tmp_path, asked, may_go=may_go, on_acknowledged=on_acknowledged)
    assert 0 < body.position < 1_000_000
    assert said == str(body.position), "what was begun to be sent arrived, and the request was answered"
    assert acknowledged


async def test_an_error_of_ours_is_no_event_of_the_line(tmp_path: Path) -> None:
    def broken() -> float:
        raise AttributeError("odd")

    with pytest.raises(AttributeError, match="odd"):
        await send(tmp_path, Asked(), patience=broken)


async def test_a_file_that_became_shorter_is_looked_at_again(tmp_path: Path) -> None:
    with pytest.raises(LineError, match="Can not write"):
        await send(tmp_path, Asked(), end=2_000_000)


async def test_a_line_that_takes_no_byte_is_given_up_as_silent(tmp_path: Path) -> None:
    with pytest.raises(LineError) as told:
        await send(tmp_path, Deaf(), size=30_000_000, piece=64_000, patience=lambda: 0.2)
    assert isinstance(told.value.__cause__, TimeoutError)
