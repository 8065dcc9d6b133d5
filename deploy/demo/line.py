"""A line between the gateways and the rest that can be dropped: TCP connections are passed on, or cut and refused."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_CHUNK = 64 * 1024


class DemoLine:
    """Passes connections on while it is up. An asynchronous context; behind it nothing is left open."""

    def __init__(self) -> None:
        self._up = True
        self._servers: list[asyncio.Server] = []
        self._ends: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.close()
        self.drop()

    async def through(self, url: str) -> str:
        """The address under which what lies at a URL is reached over this line."""
        parts = urlsplit(url)
        host, port = parts.hostname or "127.0.0.1", parts.port

        async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                if self._up:
                    await self._connect(reader, writer, await asyncio.open_connection(host, port))
            writer.transport.abort()

        server = await asyncio.start_server(pass_on, "127.0.0.1", 0)
        self._servers.append(server)
        login = parts.netloc.rpartition("@")[0]
        here = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return parts._replace(netloc=f"{login}@{here}" if login else here).geturl()

    def drop(self) -> None:
        """Cut every connection at once and take no new ones."""
        self._up = False
        for end in tuple(self._ends):
            end.transport.abort()

    def restore(self) -> None:
        """Take connections again."""
        self._up = True

    async def _connect(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        far: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        ends = {writer, far[1]}
        self._ends |= ends
        try:
            await asyncio.gather(_pump(reader, far[1]), _pump(far[0], writer))
        finally:
            self._ends -= ends
            far[1].transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end, and pass the end on."""
    while chunk := await reader.read(_CHUNK):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
