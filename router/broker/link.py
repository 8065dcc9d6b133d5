"""One AMQP connection: pika's, with our own hands on the bytes, and its channels as coroutines.

This file holds every touch of pika's private parts, each a method or attribute of the pinned release whose existence
``tests/unit/broker/test_link.py`` asserts:

- ``_adapter_emit_data`` writes bytes that are frames already;
- ``_on_data_available`` receives what the socket gave; frames of a channel with an :class:`Inbox` go there first, all
  others through ``decode_frame`` and ``_process_frame``, as pika does itself;
- ``_terminate_stream`` ends a connection whose broker does not answer;
- ``_proto_connection_made`` shows the transport, whose ``_MAX_RECV_BYTES`` is raised and whose ``_sock`` is asked how
  it stands.
"""

import asyncio
import logging
import math
import socket
import ssl
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pika import frame, spec
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.connection import Parameters
from pika.exceptions import AMQPError, InvalidFrameError

from router.broker.errors import BrokerUnavailableError, ChannelClosedError
from router.broker.inbox import Inbox
from router.broker.tcp import tcp_info
from router.broker.tuning import Tuning
from router.tls.attempt import ends_at
from schemas.clock import now_ms

_HEAD = struct.Struct(">BHI")
_OVERHEAD = 8
_END = 0xCE
_REPLIES = (
    *(spec.Basic.QosOk, spec.Basic.ConsumeOk, spec.Confirm.SelectOk),
    *(spec.Queue.DeclareOk, spec.Exchange.DeclareOk),
)

# What pika reports is reported by our events, once and with its reason; its own lines would double each of them.
logging.getLogger("pika").setLevel(logging.CRITICAL)


class BrokerLink(AsyncioConnection):  # type: ignore[misc] # pika ships no types
    """A connection from its first byte to its end; a recovered session has a new one.

    Args:
        parameters: where to connect to, as whom.
        tuning: how much is read at once, how long a channel may take to answer.
    """

    def __init__(self, parameters: Parameters, tuning: Tuning) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[str] = loop.create_future()
        """Done when the connection has ended; its result is the reason."""
        self.blocked = False
        self.heard_at = 0
        """When the last bytes came, UTC milliseconds."""
        self.on_blocked: list[Callable[[bool], None]] = []
        self.tuning = tuning
        self._wire: socket.socket | None = None
        self._inboxes: dict[int, Inbox] = {}
        self._numbers: set[int] = set()
        self._rest = b""
        self._cutting = False
        super().__init__(parameters, self._up, self._failed, self._ended, custom_ioloop=loop)
        self.add_on_connection_blocked_callback(lambda *_: self._tell_blocked(now=True))
        self.add_on_connection_unblocked_callback(lambda *_: self._tell_blocked(now=False))

    @property
    def quiet(self) -> float:
        """Seconds since the broker's machine was heard, by any segment; infinite without a connection."""
        told = tcp_info(self._wire)
        return math.inf if told is None else told.quiet

    @property
    def certificate_ends(self) -> int | None:
        """When the broker's certificate ends, UTC milliseconds; None: it showed none that was looked at."""
        try:
            shown = self._wire.getpeercert() if isinstance(self._wire, ssl.SSLSocket) else None
        except (AttributeError, ValueError, OSError):  # of a connection that has ended, the library has none any more
            return None
        return ends_at(shown) if shown else None

    def ask_for_a_sign(self) -> None:
        """Send a heartbeat: no answer to it is due, but the broker's machine has to acknowledge its bytes."""
        self.emit(frame.Heartbeat().marshal())

    @property
    def frame_max(self) -> int:
        """The largest frame both sides agreed on, in bytes."""
        return int(self.params.frame_max)

    def emit(self, data: bytes) -> None:
        """Write whole frames; nothing happens on a connection that has ended."""
        if self.is_open and data:
            self.bytes_sent += len(data)
            self._adapter_emit_data(data)

    def reserve_number(self) -> int:
        """A channel number that nobody else gets until it is released."""
        number = next(n for n in range(1, len(self._numbers) + 2) if n not in self._numbers)
        if number > int(self.params.channel_max):
            raise ChannelClosedError(f"the broker allows {self.params.channel_max} channels on a connection")
        self._numbers.add(number)
        return number

    def release_number(self, number: int) -> None:
        """Give a channel number back."""
        self._numbers.discard(number)

    def read_by(self, number: int, inbox: Inbox) -> None:
        """Let an inbox take the deliveries, returns and confirms of a channel."""
        self._inboxes[number] = inbox

    async def end(self) -> None:
        """Close in good order: what was written reaches the broker before. Returns when it is closed."""
        if not (self.is_closed or self.is_closing):
            self.close()
        await asyncio.shield(self.lost)

    def cut(self, reason: str = "ended by this side") -> None:
        """End at once, without a word to the broker; also in the middle of connecting."""
        if not self.lost.done() and not self._cutting:
            self._cutting = True
            self._terminate_stream(BrokerUnavailableError(reason))

    def _up(self, _link: object) -> None:
        if not self.opened.done():
            self.opened.set_result(None)

    def _failed(self, _link: object, error: BaseException) -> None:
        if not self.opened.done():
            failure = BrokerUnavailableError(_reason(error))
            failure.__cause__ = error
            self.opened.set_exception(failure)
        self._ended(self, error)

    def _ended(self, _link: object, error: BaseException) -> None:
        if not self.lost.done():
            self.lost.set_result(_reason(error))

    def _tell_blocked(self, *, now: bool) -> None:
        self.blocked = now
        for listener in self.on_blocked:
            listener(now)

    def _proto_connection_made(self, transport: Any) -> None:
        transport._MAX_RECV_BYTES = self.tuning.receive_bytes  # noqa: SLF001 - see the module's docstring
        self._wire = transport._sock  # noqa: SLF001 - as above
        super()._proto_connection_made(transport)

    def _on_data_available(self, data_in: bytes) -> None:
        data = self._rest + data_in if self._rest else data_in
        self.bytes_received += len(data_in)
        self.heard_at = now_ms()
        inboxes, at, end = self._inboxes, 0, len(data)
        while end - at >= _OVERHEAD:
            kind, number, size = _HEAD.unpack_from(data, at)
            stop = at + _OVERHEAD + size
            if stop > end:
                break
            if data[stop - 1] != _END:
                raise InvalidFrameError("a frame does not end with the frame-end octet")
            inbox = inboxes.get(number)
            if inbox is None or not inbox.take(kind, data[at + 7 : stop - 1]):
                self._process_frame(frame.decode_frame(data[at:stop])[1])
            at = stop
        self._rest = data[at:]


class Channel:
    """One channel of a link; methods that the broker answers are sent in one write and awaited together."""

    def __init__(self, link: BrokerLink, number: int) -> None:
        self._link = link
        self.number = number
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done when the channel is closed, by either side; its result is the reason."""
        self._answers: list[frame.Method] = []
        self._wanted = 0
        self._answered: asyncio.Future[None] | None = None
        self._closing = False

    async def open(self, inbox: Inbox | None = None) -> None:
        """Open the channel.

        Raises:
            ChannelClosedError: it, or its connection, was closed instead.
        """
        opened = asyncio.get_running_loop().create_future()
        if inbox is not None:
            self._link.read_by(self.number, inbox)
        try:
            self._pika = self._link.channel(self.number, on_open_callback=lambda _: _settle(opened))
        except AMQPError as error:
            self.closed.set_result(_reason(error))
            raise ChannelClosedError(_reason(error)) from error
        self._pika.add_on_close_callback(self._on_close)
        self._pika.add_callback(self._on_answer, _REPLIES, one_shot=False)
        with self._patience():
            await asyncio.wait((opened, self.closed), return_when=asyncio.FIRST_COMPLETED)
        if self.closed.done():
            raise ChannelClosedError(self.closed.result())

    @property
    def is_open(self) -> bool:
        """Whether it can be used: anything sent after its close would cost the whole connection (504)."""
        return not self._closing and not self.closed.done()

    @property
    def answers(self) -> Sequence[frame.Method]:
        """What the broker answered to the last question."""
        return self._answers

    async def ask(self, methods: Sequence[Any]) -> int:
        """Send methods in one write and wait for their answers.

        Returns:
            How many were answered. Fewer than were sent: the broker closed the channel, because of the next one if
            it answers such methods in order (a declaration yes; consuming a quorum queue is answered later).
        """
        if not self.is_open or not methods:
            return 0
        self._wanted, self._answers = len(methods), []
        self._answered = asyncio.get_running_loop().create_future()
        self._link.emit(b"".join(frame.Method(self.number, method).marshal() for method in methods))
        with self._patience():
            await self._answered
        return len(self._answers)

    def tell(self, methods: Sequence[Any]) -> None:
        """Send methods that the broker does not answer; nothing happens on a closed channel."""
        if self.is_open:
            self._link.emit(b"".join(frame.Method(self.number, method).marshal() for method in methods))

    def on_cancel(self, callback: Callable[[str], None]) -> None:
        """Call back with the consumer tag when the broker cancels a consumer."""
        self._pika.add_on_cancel_callback(lambda method: callback(method.method.consumer_tag))

    def begin_close(self) -> None:
        """Ask the broker to close the channel."""
        if self.is_open:
            self._closing = True
            timer = self._deadline()
            self.closed.add_done_callback(lambda _: timer.cancel())
            self._pika.close()

    async def close(self) -> None:
        """Close the channel and wait until the broker says so."""
        self.begin_close()
        await asyncio.shield(self.closed)

    @contextmanager
    def _patience(self) -> Iterator[None]:
        timer = self._deadline()
        try:
            yield
        finally:
            timer.cancel()

    def _deadline(self) -> asyncio.TimerHandle:
        """Cut the link when the broker does not answer: it keeps the connection alive over a channel that hangs."""
        seconds = self._link.tuning.answer_timeout
        reason = f"channel {self.number} has not answered for {seconds:g} s"
        return asyncio.get_running_loop().call_later(seconds, self._link.cut, reason)

    def _on_answer(self, answer: frame.Method) -> None:
        self._answers.append(answer)
        if len(self._answers) >= self._wanted and self._answered is not None:
            _settle(self._answered)

    def _on_close(self, _channel: object, error: BaseException) -> None:
        if not self.closed.done():
            self.closed.set_result(_reason(error))
        if self._answered is not None:
            _settle(self._answered)


def _settle(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _reason(error: BaseException | None) -> str:
    """What went wrong, from the bottom of pika's nested exceptions."""
    causes = getattr(error, "exceptions", None) or getattr(error, "args", ())
    if causes and isinstance(causes[-1], BaseException):
        return _reason(causes[-1])
    code, text = getattr(error, "reply_code", None), getattr(error, "reply_text", "")
    if code is not None:
        return f"{code} {text}".strip()
    return str(error) or repr(error)
