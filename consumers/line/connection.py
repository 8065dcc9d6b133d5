"""One connection: what it was made for, whether the other side is heard on it, and how it is ended from outside.

The socket is made deep in the HTTP client; the connection that it belongs to is known by the task that asks for it.
"""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from consumers.errors import LineError
from router.broker.tcp import TcpInfo, tcp_info
from router.tls.attempt import ends_at

_CURRENT: ContextVar["LineConnection | None"] = ContextVar("_CURRENT", default=None)


class LineConnection:
    """A connection over the line, from the moment it is wanted to its end.

    Args:
        limit: ends it.
        window: bytes that may be on their way to us, 0: as the kernel likes; it grows, see :meth:`widen`.
        no_progress: seconds without a byte after which it is given up, whatever else is heard.
        segment: bytes of the largest segment that it is to be sent; 0: as the kernel likes.

    Attributes:
        socket: once it is made, or taken over from an earlier request.
        certificate_ends: when the other side's certificate ends, UTC ms; None: it showed none.
        fetches: what comes on it is content; else little comes, and says nothing of the rate.
        may_move: clear while nothing is meant to move on it.
    """

    def __init__(self, limit: asyncio.Timeout, window: int = 0, *, no_progress: float = 25.0, segment: int = 0) -> None:
        self.window = window
        self.segment = segment
        self.may_move = asyncio.Event()
        self.may_move.set()
        self.socket: socket.socket | None = None
        self.error: LineError | None = None
        self.encrypted = False
        self.fetches = True
        self.certificate_ends: int | None = None
        self._received = 0
        self._limit = limit
        self._no_progress = no_progress
        self.moved_at = time.monotonic()
        self._moved = 0

    @property
    def quiet(self) -> float:
        """Seconds since the other side was heard on it, or since it was asked for."""
        info = self._tcp_info()
        since = time.monotonic() - self.moved_at
        return since if info is None else min(info.quiet, since)

    @property
    def stuck(self) -> bool:
        """Whether no byte has moved for too long though some should."""
        info = self._tcp_info()
        if info is not None and info.moved != self._moved:
            self._moved = info.moved
            self.moved_at = time.monotonic()
        if not self.may_move.is_set():
            self.moved_at = time.monotonic()
        return time.monotonic() - self.moved_at >= self._no_progress

    @property
    def received(self) -> int:
        """Bytes that have come on it."""
        info = self._tcp_info()
        return 0 if info is None else info.received

    def came(self) -> int:
        """Bytes that have come since the last call, also of a record of TLS of which the rest is yet to come."""
        before, self._received = self._received, max(self.received, self._received)
        return self._received - before

    @property
    def stands(self) -> bool:
        """Whether the connection is made."""
        return self._tcp_info() is not None

    def moved(self) -> None:
        """Bytes have come, or gone out."""
        self.moved_at = time.monotonic()

    def take(self, transport: asyncio.BaseTransport) -> None:
        """Watch a connection that is made, perhaps for an earlier request and another window.

        With TLS nothing is read ahead of us on a thin line: what could be decrypted already is no longer in the kernel,
        whose window would stay open for 256 kB more.
        """
        self.socket = transport.get_extra_info("socket")
        self.encrypted = is_encrypted(transport)
        self.certificate_ends = _end_of_certificate(transport)
        self._received = self.received
        if not self.window or self.socket is None:
            return
        limit_window(self.socket, self.window)
        if self.encrypted:
            transport.set_read_buffer_limits(high=1)  # type: ignore[attr-defined] # asyncio's and uvloop's TLS have it

    def widen(self, window: int) -> None:
        """Let more be on its way, from now on; the kernel never takes back what it has offered, so neither do we."""
        if self.socket is not None and self.window and window > self.window:
            self.window = window
            limit_window(self.socket, window)

    def end(self, error: LineError) -> None:
        """End it: whoever works with it gets this error."""
        if self.error is None:
            self.error = error
            self._limit.reschedule(0.0)

    def _tcp_info(self) -> TcpInfo | None:
        return tcp_info(self.socket)


def is_encrypted(transport: asyncio.BaseTransport) -> bool:
    """Whether what is written to a connection goes through TLS."""
    return transport.get_extra_info("ssl_object") is not None


def _end_of_certificate(transport: asyncio.BaseTransport) -> int | None:
    shown = transport.get_extra_info("peercert")
    return ends_at(shown) if shown else None


@contextmanager
def current(connection: LineConnection) -> Iterator[None]:
    """Let the socket that this task makes meanwhile belong to a connection."""
    token = _CURRENT.set(connection)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def connection_of_this_task() -> LineConnection | None:
    """The connection for which this task makes a socket."""
    return _CURRENT.get()


def limit_window(made: socket.socket, window: int) -> None:
    """Bound what the other side may send ahead of us, and what we give the kernel ahead of the line, in bytes."""
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, window)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, window)
