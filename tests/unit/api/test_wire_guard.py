"""A connection costs a bound much before anybody has said who it is."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from router.pages.wire_guard import MAX_HEAD_BYTES, ConnectionLimit, guarded
from support.conditions import holds


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@contextlib.asynccontextmanager
async def serving(most: int = 100, head_seconds: float = 30.0, proxies: tuple[str, ...] = ()) -> AsyncIterator[int]:
    kind = guarded(ConnectionLimit(most, proxies), head_seconds=head_seconds)
    server = uvicorn.Server(uvicorn.Config(app, http=kind, log_config=None, lifespan="off"))
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        task = asyncio.create_task(server.serve(sockets=[listener]))
        await holds(lambda: server.started)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await task


async def reach(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def answer_to(port: int, request: bytes) -> bytes:
    reader, writer = await reach(port)
    with contextlib.suppress(ConnectionError):
        writer.write(request)
        await writer.drain()
    found = b""
    with contextlib.suppress(ConnectionError):
        found = await asyncio.wait_for(reader.read(200), 30)
    writer.transport.abort()
    return found


def request(headers: bytes = b"", body: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n" % (len(body), headers) + body


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nX: " + b"a" * (MAX_HEAD_BYTES + 1000),
        b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * MAX_HEAD_BYTES,
        b"GET /" + b"a" * (MAX_HEAD_BYTES + 1000),
    ],
)
async def test_headers_without_an_end_are_refused_at_their_bound(sent: bytes) -> None:
    async with serving() as port:
        assert b" 431 " in await answer_to(port, sent)


async def test_a_large_body_and_headers_up_to_the_bound_are_taken() -> None:
    async with serving() as port:
        assert b" 200 " in await answer_to(port, request(b"X: " + b"a" * (MAX_HEAD_BYTES - 200) + b"\r\n"))
        assert b" 200 " in await answer_to(port, request(body=b"b" * 5 * MAX_HEAD_BYTES))


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost:"])
async def test_a_connection_whose_headers_do_not_come_is_closed(begun: bytes) -> None:
    async with serving(head_seconds=0.2) as port:
        assert await answer_to(port, begun) == b""


async def test_the_time_for_headers_is_each_requests_own() -> None:
    async with serving(head_seconds=0.5) as port:
        reader, writer = await reach(port)
        for _ in range(3):
            writer.write(request(body=b"b"))
            assert b" 200 " in await reader.readuntil(b"ok")
        writer.write(b"GET / HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 30) == b""
        writer.transport.abort()


async def test_one_address_has_so_many_connections_and_gets_its_place_back() -> None:
    async with serving(most=3) as port:
        held = [await reach(port) for _ in range(3)]
        for reader, writer in held:
            writer.write(request())
            assert b" 200 " in await reader.readuntil(b"ok")
        assert await answer_to(port, request()) == b""
        held[0][1].transport.abort()

        async def is_let_in() -> bool:
            return b" 200 " in await answer_to(port, request())

        await holds(is_let_in)
        for _, writer in held[1:]:
            writer.transport.abort()


@pytest.mark.parametrize("proxies", [("127.0.0.1",), ("127.0.0.0/8",)])
async def test_a_proxy_is_not_counted(proxies: tuple[str, ...]) -> None:
    async with serving(most=1, proxies=proxies) as port:
        held: list[Any] = [await reach(port) for _ in range(5)]
        assert b" 200 " in await answer_to(port, request())
        for _, writer in held:
            writer.transport.abort()
