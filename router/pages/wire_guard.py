"""Bounds what a connection may cost before anybody has said who it is: header bytes and time, connections, silence.

uvicorn and httptools bound none of them: a header without an end grows in memory for as long as it comes, and a
connection whose other side has gone is held for ever.
"""

import asyncio
import ipaddress
import socket
from collections import Counter
from collections.abc import Collection
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 32 * 1024
"""Of a request's line and headers together; browsers and proxies send 2 to 8 kB."""
HEAD_SECONDS = 30.0
"""From a connection, or a request's first byte, to the end of its headers; 2 kB take 0.5 s on 33.6 kbit/s."""
KEEPALIVE_IDLE, KEEPALIVE_EVERY, KEEPALIVE_PROBES = 60, 20, 3
"""Seconds and number: a side that is gone is found after two minutes of silence."""
UNSENT_SECONDS = 300
"""How long the other side may acknowledge nothing of what is sent to it; a line that drops is back, or begins anew."""
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain\r\ncontent-length: 0\r\n"
    b"connection: close\r\n\r\n"
)


class ConnectionLimit:
    """How many connections each address has; addresses that speak for others are not counted.

    Args:
        most: per address.
        proxies: addresses or networks (``10.0.0.0/8``) of proxies.
    """

    def __init__(self, most: int, proxies: Collection[str] = ()) -> None:
        self._most = most
        self._proxies = [ipaddress.ip_network(text) for text in proxies]
        self._open: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """Count one; False: there are as many as may be."""
        if self._is_proxy(address):
            return True
        if self._open[address] >= self._most:
            return False
        self._open[address] += 1
        return True

    def leave(self, address: str) -> None:
        """One less."""
        if self._open[address] > 1:
            self._open[address] -= 1
        else:
            del self._open[address]

    def _is_proxy(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._proxies)


class Guarded(HttpToolsProtocol):
    """uvicorn's protocol with these bounds; :func:`guarded` makes one for a limit."""

    limit: ConnectionLimit
    head_seconds: float

    _counted = ""
    _head_bytes = 0
    _in_head = True
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count it, or close it; its first request has to come."""
        super().connection_made(transport)
        _find_the_gone(transport.get_extra_info("socket"))
        address = self.client[0] if self.client else ""
        if not self.limit.enter(address):
            transport.abort()
            return
        self._counted = address
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give its place back."""
        self._stop_timer()
        if self._counted:
            self.limit.leave(self._counted)
            self._counted = ""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, within the bound of headers."""
        self._head_bytes += len(data)
        if self._in_head and self._timer is None:  # the first byte of a connection's next request
            self._expect_head()
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> None:
        """The headers came in time."""
        self._in_head, self._head_bytes = False, 0
        self._stop_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The next request may begin."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_complete()

    def _expect_head(self) -> None:
        self._timer = self.loop.call_later(self.head_seconds, self._give_up)

    def _give_up(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def guarded(limit: ConnectionLimit, *, head_seconds: float = HEAD_SECONDS) -> type[Guarded]:
    """The protocol for a limit, as uvicorn's setting ``http`` takes it."""
    return type("Guarded", (Guarded,), {"limit": limit, "head_seconds": head_seconds})


def _find_the_gone(connection: Any) -> None:
    if connection is None or connection.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_EVERY)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNSENT_SECONDS * 1000)
