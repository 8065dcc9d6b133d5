"""Confirmed publishing: many callers share one channel and one window of unconfirmed messages."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence

import structlog
from pika import spec

from router.broker import wire
from router.broker.backoff import Backoff
from router.broker.confirms import Confirms
from router.broker.errors import ChannelClosedError
from router.broker.inbox import Inbox
from router.broker.link import BrokerLink, Channel
from router.broker.message import Outgoing, PublishOutcome
from router.broker.tuning import Tuning
from schemas.events import Event

_SLICE = 64
"""Messages of one call, and of one write, before it is the next call's turn: about 128 kB."""
log = structlog.get_logger()


class _Call:
    """One publish() on its way."""

    __slots__ = ("deadline", "frames", "future", "ids", "missing", "outcomes", "sent")

    def __init__(self, messages: Sequence[Outgoing], frames: list[bytes], deadline: float) -> None:
        self.ids = [message.message_id for message in messages]
        self.frames = frames
        self.deadline = deadline
        self.sent = 0
        self.missing = len(messages)
        self.outcomes: list[PublishOutcome | None] = [None] * len(messages)
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def settle(self, index: int, outcome: PublishOutcome) -> None:
        """One message's outcome is known."""
        if self.outcomes[index] is None:
            self.outcomes[index] = outcome
            self.missing -= 1
            if self.missing == 0 and not self.future.done():
                self.future.set_result(None)

    def give_up(self, outcome: PublishOutcome) -> None:
        """Settle what is not settled yet."""
        for index, known in enumerate(self.outcomes):
            if known is None:
                self.settle(index, outcome)

    @property
    def result(self) -> list[PublishOutcome]:
        """The outcomes, in the order of the messages."""
        return [outcome for outcome in self.outcomes if outcome is not None]


class Publisher:
    """Publishes with confirms; made by :meth:`router.broker.session.Session.publisher`.

    Args:
        user: the session's login; every message carries it as ``user_id``, which the broker checks.
        window: the most messages on the wire without a confirm, over all callers.
        confirm_timeout: seconds after which a publish is answered in any case.
        tuning: pauses before a channel is opened again.
    """

    def __init__(self, *, user: str, window: int, confirm_timeout: float, tuning: Tuning) -> None:
        self._user = user
        self._window = window
        self._timeout = confirm_timeout
        self._backoff = Backoff(tuning.pause_first, tuning.pause_longest)
        self._confirms: Confirms[tuple[_Call, int]] = Confirms()
        self._calls: dict[_Call, None] = {}  # all that wait for an answer, earliest deadline first
        self._queue: deque[_Call] = deque()  # those with messages that are not on the wire yet
        self._line: wire.Framing | None = None
        self._link: BrokerLink | None = None
        self._channel: Channel | None = None
        self._closing = False
        self._scheduled = False
        self._timer: asyncio.TimerHandle | None = None
        self._heard_at = 0.0  # when the broker last confirmed, or had nothing to confirm
        self.attached = asyncio.Event()
        self.on_doubt: Callable[[str], None] = lambda _why: None
        """Called when a message came back or the broker closed the channel."""

    async def publish(self, messages: Sequence[Outgoing]) -> list[PublishOutcome]:
        """Publish messages and wait until each is answered, at most ``confirm_timeout`` seconds.

        Messages of one call are sent in order; calls take turns. Trouble with the broker is an outcome, never raised.

        Raises:
            EncodingError: AMQP cannot carry one of the messages; none was sent.
        """
        if self._line is None or self._closing:
            await asyncio.sleep(0)  # so that a caller who tries again at once does not stop the loop
            return [PublishOutcome.LOST] * len(messages)
        if not messages:
            return []
        frames = wire.encode(messages, self._line)
        call = _Call(messages, frames, asyncio.get_running_loop().time() + self._timeout)
        self._calls[call] = None
        self._queue.append(call)
        self._set_timer()
        self._wake()
        try:
            await call.future
        finally:
            self._forget(call)
        return call.result

    async def drain(self) -> None:
        """Take no more messages and wait until all calls are answered."""
        self._closing = True
        while self._calls:
            await asyncio.wait([call.future for call in self._calls])
            await asyncio.sleep(0)  # the callers take their answers

    def serve(self, link: BrokerLink) -> Coroutine[None, None, None]:
        """Take a link: publishing is possible from now on; the coroutine keeps a channel open until it is cancelled."""
        self._link = link
        self._line = wire.Framing(link.reserve_number(), self._user, link.frame_max)
        link.on_blocked.append(self._on_blocked)
        return self._serve(link, self._line.channel)

    async def _serve(self, link: BrokerLink, number: int) -> None:
        try:
            while True:
                reason = await self._until_closed(Channel(link, number))
                self._lose_sent()
                if link.is_open:
                    self.on_doubt(reason)
                    pause = self._backoff.pause()
                    log.warning(Event.CHANNEL_CLOSED, channel=number, reason=reason, retry_in=round(pause, 2))
                    await asyncio.sleep(pause)
                else:
                    await link.lost
                    return
        finally:
            self._detach()

    async def _until_closed(self, channel: Channel) -> str:
        inbox = Inbox(on_return=self._on_return, on_confirm=self._on_confirm)
        try:
            await channel.open(inbox)
        except ChannelClosedError as error:
            return str(error)
        if await channel.ask([spec.Confirm.Select()]):
            self._channel = channel
            self.attached.set()
            self._wake()
        try:
            return await asyncio.shield(channel.closed)
        finally:
            self._channel = None

    def _detach(self) -> None:
        self._link = self._line = None
        self.attached.clear()
        self._lose_sent()
        self._queue.clear()
        for call in list(self._calls):
            call.give_up(PublishOutcome.LOST)

    def _lose_sent(self) -> None:
        for call, index in self._confirms.lose_all():
            call.settle(index, PublishOutcome.LOST)

    def _wake(self) -> None:
        """Send in the next turn of the loop, together with whoever calls in this one."""
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._send)

    def _send(self) -> None:
        self._scheduled = False
        link = self._link
        if link is None or self._channel is None or link.blocked:
            return
        if not self._confirms:
            self._heard_at = asyncio.get_running_loop().time()
        room = self._window - len(self._confirms)
        pieces: list[bytes] = []
        while room > 0 and self._queue:
            call = self._queue.popleft()
            first, last = call.sent, min(call.sent + min(room, _SLICE), len(call.ids))
            for index in range(first, last):
                self._confirms.sent(call.ids[index], (call, index), call.deadline)
            pieces += call.frames[2 * first : 2 * last]
            call.sent = last
            room -= last - first
            if last < len(call.ids):
                self._queue.append(call)
            if len(pieces) >= 2 * _SLICE:
                link.emit(b"".join(pieces))
                pieces = []
        link.emit(b"".join(pieces))

    def _on_confirm(self, tag: int, multiple: bool, positive: bool) -> None:  # noqa: FBT001 - the inbox calls by position
        answer = self._confirms.ack if positive else self._confirms.nack
        for (call, index), outcome in answer(tag, multiple=multiple):
            call.settle(index, outcome)
        self._backoff.reset()
        self._heard_at = asyncio.get_running_loop().time()
        if self._queue:
            self._wake()

    def _on_blocked(self, _blocked: bool) -> None:  # noqa: FBT001 - a callback's one argument
        self._heard_at = asyncio.get_running_loop().time()
        self._wake()

    def _on_return(self, message_id: str, reason: str) -> None:
        known = self._confirms.returned(message_id)
        self.on_doubt(reason)
        log.info(Event.MESSAGE_RETURNED, message_id=message_id, reason=reason, known=known)

    def _set_timer(self) -> None:
        if self._timer is None and self._calls:
            earliest = next(iter(self._calls)).deadline
            self._timer = asyncio.get_running_loop().call_at(earliest, self._expire)

    def _expire(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        self._confirms.expire(now)
        self._renew_when_stuck(now)
        late = [call for call in self._calls if call.deadline <= now]
        for call in late:
            call.give_up(PublishOutcome.TIMED_OUT)
            self._forget(call)
        if late:
            log.warning(Event.PUBLISH_TIMED_OUT, calls=len(late), on_the_wire=len(self._confirms))
        self._set_timer()

    def _renew_when_stuck(self, now: float) -> None:
        """Take a new channel when this one has swallowed publishes for a whole time-out and confirmed none."""
        expired = len(self._confirms) > self._confirms.live
        stuck = expired and now - self._heard_at >= self._timeout
        if stuck and self._channel is not None and self._link is not None and not self._link.blocked:
            self._channel.begin_close()
            self._channel = None

    def _forget(self, call: _Call) -> None:
        self._calls.pop(call, None)
        if call.sent < len(call.ids) and call in self._queue:
            self._queue.remove(call)
        if not self._calls and self._timer is not None:
            self._timer.cancel()
            self._timer = None
