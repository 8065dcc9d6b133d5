"""TLS before a plain server, in the test's own loop; its certificate can be changed while connections stand."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from support.issuer import Pair
from support.tls_server import serving

_ENCRYPTED = {"amqp": "amqps", "http": "https"}
_CHUNK = 65536


@dataclass
class TlsFront:
    """Where it listens, and what it shows."""

    url: str
    context: ssl.SSLContext
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def show(self, pair: Pair) -> None:
        """Show another certificate, and end what was made with the one before."""
        self.context.load_cert_chain(pair.certificate, pair.key)
        self.cut()

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def tls_front(url: str, pair: Pair) -> AsyncIterator[TlsFront]:
    """Encrypts before the server of a URL."""
    parts = urlsplit(url)
    made = TlsFront("", serving(pair))
    made.context.num_tickets = 0  # a session that is gone on with would not look at a certificate that was changed

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made._writers.add(writer)
        far_reader, far_writer = await asyncio.open_connection(parts.hostname, parts.port)
        ways = {
            asyncio.create_task(_pump(reader, far_writer)),
            asyncio.create_task(_pump(far_reader, writer)),
        }
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        made._writers.discard(writer)
        for end in (writer, far_writer):
            end.transport.abort()

    async with await asyncio.start_server(accept, "127.0.0.1", 0, ssl=made.context) as server:
        port = server.sockets[0].getsockname()[1]
        made.url = parts._replace(scheme=_ENCRYPTED[parts.scheme], netloc=f"127.0.0.1:{port}").geturl()
        try:
            yield made
        finally:
            made.cut()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
