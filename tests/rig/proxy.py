"""A TCP proxy in the test's own loop that does to a connection what lines do: cut it, swallow, hold, slow or spoil it.

Its sockets have small buffers, so that what waits, waits at the ends and not here.
"""

import asyncio
import contextlib
import socket
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from rig.wire import SEGMENT, Wire

_CHUNK = 65536
_SMALL_BUFFER = 4096
_PAYLOAD = 600
"""Chunks of so many bytes carry content, not only headers."""


class _Pair:
    """One proxied connection."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.near = near
        self.far = far
        self.swallowed = False
        self.epoch = 0
        self.last = [0.0, 0.0]

    def abort(self) -> None:
        for writer in (self.near, self.far):
            writer.transport.abort()


class Proxy:
    """Stands before the server of a URL; ``url`` is the same URL through the proxy.

    Args:
        url: of the server.
        wire: an emulated line that all connections share; None: as fast as it goes.
    """

    def __init__(self, url: str, wire: Wire | None = None) -> None:
        self._wire = wire
        self._spoil = 0
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._target = (parts.hostname, parts.port)
        self._parts = parts
        self._pairs: set[_Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._swallow = False
        self._refuse = False
        self._portal = b""
        self._rate: float | None = None
        self.accepted = 0
        self.carried = 0
        self.spoilt = 0

    async def __aenter__(self) -> Self:
        listener = socket.create_server(("127.0.0.1", 0))
        if self._wire is not None:
            _shrink(listener)  # what is accepted inherits it
        limit = _CHUNK if self._wire is None else SEGMENT  # what goes up is not gathered here, either
        self._server = await asyncio.start_server(self._accept, sock=listener, limit=limit)
        port = self._server.sockets[0].getsockname()[1]
        self.url = self._parts._replace(netloc=f"127.0.0.1:{port}").geturl()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def open(self) -> int:
        """Connections through the proxy now."""
        return len(self._pairs)

    def cut(self) -> None:
        """Reset every connection; new ones are taken."""
        for pair in list(self._pairs):
            pair.abort()

    def refuse(self, *, refuse: bool = True) -> None:
        """Reset new connections as soon as they come; those that stand go on."""
        self._refuse = refuse

    def portal(self, answer: bytes = b"") -> None:
        """From now on somebody else answers every request, with these bytes; empty: the server does again."""
        self._portal = answer
        self.cut()

    def black_hole(self) -> None:
        """From now on every byte vanishes, both ways, and nobody is told; also on new connections."""
        self._swallow = True
        for pair in self._pairs:
            pair.swallowed = True

    def heal(self) -> None:
        """New connections work again; those that lost bytes stay dead."""
        self._swallow = False

    def hold(self) -> None:
        """Keep back what comes, both ways, until :meth:`release`; no byte is lost."""
        self._flowing.clear()

    def release(self) -> None:
        """Let through what was held."""
        self._flowing.set()

    def throttle(self, bytes_per_second: float | None) -> None:
        """Slow each direction of each connection; None: as fast as it goes."""
        self._rate = bytes_per_second

    def spoil(self, count: int = 1) -> None:
        """Turn one bit in each of the next chunks of content that go to a client."""
        self._spoil += count

    def inject(self, data: bytes) -> None:
        """Send bytes to every client as if the server had; only between two frames does that make sense."""
        for pair in self._pairs:
            pair.near.write(data)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self._refuse:
            writer.transport.abort()
            return
        if self._portal:
            await _answered(reader, writer, self._portal)
            return
        try:
            far_reader, far_writer = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        pair = _Pair(writer, far_writer)
        pair.swallowed = self._swallow
        if self._wire is not None:
            pair.epoch = self._wire.epoch if self._wire.up else -1
        self._pairs.add(pair)
        pumps = [
            asyncio.create_task(self._pump(reader, far_writer, pair, down=False)),
            asyncio.create_task(self._pump(far_reader, writer, pair, down=True)),
        ]
        self._tasks.update(pumps)
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        self._pairs.discard(pair)
        pair.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._wire is None:
            return await asyncio.open_connection(*self._target)
        made = socket.socket()
        _shrink(made)
        made.settimeout(0.0)
        try:
            await asyncio.get_running_loop().sock_connect(made, self._target)
            return await asyncio.open_connection(sock=made, limit=SEGMENT)
        except OSError:
            made.close()
            raise

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pair: _Pair, *, down: bool
    ) -> None:
        try:
            while data := await reader.read(self._most):
                if self._swallow or pair.swallowed or not self._carries(pair):
                    pair.swallowed = True
                    continue
                await self._flowing.wait()
                if down and self._spoil and len(data) >= _PAYLOAD:
                    data = self._spoilt(data)
                await self._pass_on(writer, data, pair, down=down)
            if self._wire is not None:
                await self._end(writer, pair, down=down)
        except ConnectionError:
            return

    @property
    def _most(self) -> int:
        if self._wire is not None:
            return SEGMENT
        return _CHUNK if self._rate is None else 512

    def _carries(self, pair: _Pair) -> bool:
        return self._wire is None or (self._wire.up and pair.epoch == self._wire.epoch)

    async def _pass_on(self, writer: asyncio.StreamWriter, data: bytes, pair: _Pair, *, down: bool) -> None:
        self.carried += len(data)
        if self._wire is None:
            if self._rate is not None:
                await asyncio.sleep(len(data) / self._rate)
            writer.write(data)
        else:
            arrives = await self._wire.carry(len(data), down=down)
            asyncio.get_running_loop().call_at(max(arrives, pair.last[down]), self._deliver, writer, data, pair)
            pair.last[down] = max(arrives, pair.last[down])
        await writer.drain()

    async def _end(self, writer: asyncio.StreamWriter, pair: _Pair, *, down: bool) -> None:
        """Let the end of a stream come behind its bytes; on a line that dropped nobody learns of it."""
        await asyncio.sleep(pair.last[down] - asyncio.get_running_loop().time())
        if not self._carries(pair):
            await asyncio.Event().wait()
        writer.close()
        await writer.wait_closed()

    def _deliver(self, writer: asyncio.StreamWriter, data: bytes, pair: _Pair) -> None:
        if self._carries(pair) and not writer.is_closing():
            writer.write(data)

    def _spoilt(self, data: bytes) -> bytes:
        self._spoil -= 1
        self.spoilt += 1
        return data[:-1] + bytes([data[-1] ^ 1])


async def _answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bytes) -> None:
    """What a captive portal does with a request, whatever it is."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
    writer.close()


def page(status: int, *headers: str) -> bytes:
    """An answer of somebody who stands in the line."""
    body = "<html><title>Đăng nhập Wi-Fi</title></html>".encode()
    lines = [f"HTTP/1.1 {status} Portal", "Content-Type: text/html", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


PORTALS = (page(200), page(302, "Location: http://login.invalid/"), page(403), page(511))


def _shrink(made: socket.socket) -> None:
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        made.setsockopt(socket.SOL_SOCKET, option, _SMALL_BUFFER)
