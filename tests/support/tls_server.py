"""A server by TLS whose certificate can be changed while it runs: answers each connection with what it was sent."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from support.issuer import Pair


@dataclass
class TlsServer:
    """Where it listens, and what it shows."""

    context: ssl.SSLContext
    port: int = 0
    resumed: int = 0
    accepted: int = 0

    def show(self, pair: Pair) -> None:
        """Show another certificate from the next connection on."""
        self.context.load_cert_chain(pair.certificate, pair.key)

    def demand(self, authority: Path) -> None:
        """Take only clients that show a certificate of this authority."""
        self.context.load_verify_locations(authority)
        self.context.verify_mode = ssl.CERT_REQUIRED


def serving(pair: Pair) -> ssl.SSLContext:
    """A server's context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


@asynccontextmanager
async def echoing(pair: Pair, *, port: int = 0) -> AsyncIterator[TlsServer]:
    """A server on the loopback address, in threads: asyncio's ends a handshake that fails without a word."""
    made = TlsServer(serving(pair))
    with socket.create_server(("127.0.0.1", port)) as listener:
        made.port = listener.getsockname()[1]
        accepting = threading.Thread(target=_accept, args=(listener, made), daemon=True)
        accepting.start()
        try:
            yield made
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            await asyncio.to_thread(accepting.join)


def _accept(listener: socket.socket, made: TlsServer) -> None:
    with contextlib.suppress(OSError):
        while True:
            near, _ = listener.accept()
            threading.Thread(target=_answer, args=(near, made), daemon=True).start()


def _answer(near: socket.socket, made: TlsServer) -> None:
    near.settimeout(10)
    wrapping = made.context.wrap_socket(near, server_side=True, do_handshake_on_connect=False)
    with wrapping as wrapped, contextlib.suppress(OSError):
        try:
            wrapped.do_handshake()
        except ssl.SSLError:
            wrapped.shutdown(socket.SHUT_WR)  # the alert is on its way, which a reset would overtake
            while wrapped.recv(1024):
                pass
            return
        made.accepted += 1
        made.resumed += bool(wrapped.session_reused)
        wrapped.sendall(wrapped.recv(1024))


async def say(context: ssl.SSLContext, port: int, *, name: str = "127.0.0.1") -> bytes:
    """One connection: a word, and the answer to it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    try:
        writer.write(b"hello")
        return await reader.read(1024)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
