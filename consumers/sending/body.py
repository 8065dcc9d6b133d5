"""The body of one PATCH: a file's bytes, written piece by piece, and ended when more urgent work wants the line.

It is sent chunked, so it may end anywhere: the router keeps what came and says how far that is, and nothing is sent
twice. What has been given to the kernel goes out before that; so as little as possible is given ahead. The connection's
send buffer is as small as the window (see :func:`consumers.fetching.origin.open_http`); none is kept in this process.
"""

import asyncio
import os
from collections.abc import Callable
from typing import BinaryIO

from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_writer import StreamWriter
from aiohttp.payload import Payload

from consumers.fetching.origin import acknowledged, round_trip
from consumers.line.connection import is_encrypted

MEDIA_TYPE = "application/offset+octet-stream"
LOOK_EVERY = 0.05
"""Seconds between two looks at what the other side has acknowledged."""


class PieceBody(Payload):
    """Bytes ``begin`` to ``end`` of a file, or fewer.

    Args:
        file: open and unbuffered; it may be closed while this is still being written, which ends it.
        begin: where to begin.
        end: where to end at the latest.
        piece: bytes written at once.
        may_go: clear when the line is wanted for more urgent work.
        patience: seconds without progress after which the connection is given up.
        on_acknowledged: told how many bytes more the other side has.
        on_open: told the connection before anything is written.
        ahead: bytes that may be unacknowledged where TLS is written, whose own buffer takes 64 kB before the kernel
            gets any; 0: as many as it takes.
    """

    _autoclose = True

    def __init__(
        self,
        file: BinaryIO,
        *,
        begin: int,
        end: int,
        piece: int,
        may_go: asyncio.Event,
        patience: Callable[[], float],
        on_acknowledged: Callable[[int], None],
        on_open: Callable[[asyncio.BaseTransport], None] = lambda _transport: None,
        ahead: int = 0,
    ) -> None:
        super().__init__(None, content_type=MEDIA_TYPE)
        self._file = file
        self.position = begin
        self._end = end
        self._piece = piece
        self._may_go = may_go
        self._patience = patience
        self._on_acknowledged = on_acknowledged
        self._on_open = on_open
        self._ahead = ahead
        self.round_trip = 0.0
        """The shortest round trip of the connection, in seconds; 0 until all is written."""

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Not for bytes that are read as they go."""
        raise TypeError(f"a body that is streamed has no text ({encoding}, {errors})")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write the pieces.

        Raises:
            TimeoutError: the line took no byte for too long.
            OSError: the connection has gone, or the file has become shorter.
        """
        protocol = writer.protocol if isinstance(writer, StreamWriter) else None
        transport = None if protocol is None else protocol.transport
        if protocol is None or transport is None:
            raise ConnectionResetError("the connection has gone")
        self._on_open(transport)
        transport.set_write_buffer_limits(high=1)  # TLS with 0 pauses on nothing at all, and never goes on
        seen = acknowledged(transport)
        bounded = _Bounded(transport, self._ahead if is_encrypted(transport) else 0, self.position)
        while self.position < self._end and self._may_go.is_set():
            # Not in a thread: it is little, and a thread that reads on after the file was closed may read another.
            data = os.pread(self._file.fileno(), min(self._piece, self._end - self.position), self.position)
            if not data:
                raise ConnectionAbortedError("the file has become shorter")
            async with asyncio.timeout(self._patience()):
                await writer.write(data)
                await writer.drain()
                self.position += len(data)
                await bounded.room_after(self.position)
            now = acknowledged(transport)
            if now > seen:
                self._on_acknowledged(now - seen)
                seen = now
        self.round_trip = round_trip(protocol)


class _Bounded:
    """Keeps what is written near to what the other side has; what TLS adds to it is one percent."""

    def __init__(self, transport: asyncio.Transport, ahead: int, position: int) -> None:
        self._transport = transport
        self._ahead = ahead
        self._begin = position - acknowledged(transport)

    async def room_after(self, position: int) -> None:
        """Return when few enough bytes before a position are unacknowledged, or the connection has gone."""
        while self._ahead and not self._transport.is_closing():
            if position - self._begin - acknowledged(self._transport) <= self._ahead:
                return
            await asyncio.sleep(LOOK_EVERY)
