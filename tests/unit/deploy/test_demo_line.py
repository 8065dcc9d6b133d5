"""The demonstration's line: connections go through while it is up, are cut when it drops, and are made anew after."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from deploy.demo.line import DemoLine


@pytest.fixture
async def echo() -> AsyncIterator[str]:
    """The URL of a server that sends back what it gets."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(1000):
            writer.write(chunk)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"amqp://127.0.0.1:{server.sockets[0].getsockname()[1]}/vhost"
    server.close()


async def connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2].partition("/")[0]))


async def said(url: str, text: bytes) -> bytes:
    reader, writer = await connect(url)
    writer.write(text)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


async def test_what_is_said_goes_through_and_comes_back_whole(echo: str) -> None:
    async with DemoLine() as line:
        url = await line.through(echo)
        assert url.endswith("/vhost")
        assert url != echo
        assert await said(url, b"x" * 300_000) == b"x" * 300_000


async def test_a_drop_cuts_what_is_open_and_takes_nothing_until_the_line_is_back(echo: str) -> None:
    async with DemoLine() as line:
        url = await line.through(echo)
        reader, writer = await connect(url)
        writer.write(b"hello")
        assert await reader.read(5) == b"hello"
        line.drop()
        assert await gone(reader)
        writer.close()
        late, end = await connect(url)
        assert await gone(late)
        end.close()
        line.restore()
        assert await said(url, b"again") == b"again"


async def test_the_login_of_a_url_stays_in_it(echo: str) -> None:
    async with DemoLine() as line:
        url = await line.through(echo.replace("amqp://", "amqp://me:secret@"))
    assert url.startswith("amqp://me:secret@127.0.0.1:")


async def gone(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read(1) == b""
    except ConnectionError:
        return True
