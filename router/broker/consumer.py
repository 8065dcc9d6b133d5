"""Consuming: messages of many queues are collected into batches for one handler that runs once at a time."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import structlog

from router.broker.backoff import Backoff, sleep_unless
from router.broker.errors import ChannelClosedError
from router.broker.link import BrokerLink
from router.broker.message import PROPERTIES_BYTES, Delivered, Handler
from router.broker.sifting import Sifted, Sifter
from router.broker.subscription import Subscription, present
from router.broker.tuning import Tuning
from schemas.events import Event

_NAMED = 20
"""Queues named in one log line."""
log = structlog.get_logger()


class _Arrival(NamedTuple):
    subscription: Subscription
    tag: int
    message: Delivered


class Consumer:
    """Queues, a handler, and what lies between; made by :meth:`router.broker.session.Session.consume`.

    Args:
        queues: what to consume.
        handler: see :data:`router.broker.message.Handler`.
        prefetch: the most unacknowledged messages per queue; fewer where they could be more than
            ``tuning.unacked_bytes`` together.
        message_bytes: a message with a longer body comes without it.
        max_batch: the most messages per call of the handler.
        linger: seconds to wait for more after the first message of a batch.
        newest_first: the broker is to prefer this connection to those of before.
        tuning: pauses before a queue, or a failed handler, is tried again.
        passing: errors of the handler that lie outside of any message, see :class:`router.broker.sifting.Sifter`.
        on_apart: told the queue of each message that fails again and again while others pass.
        resting: see :meth:`rest`.
    """

    def __init__(
        self,
        queues: Sequence[str],
        handler: Handler,
        *,
        prefetch: int,
        message_bytes: int,
        max_batch: int,
        linger: float,
        newest_first: bool,
        tuning: Tuning,
        passing: tuple[type[Exception], ...] = (Exception,),
        on_apart: Callable[[str], None] = lambda _queue: None,
        resting: Collection[str] = (),
    ) -> None:
        self._queues = list(dict.fromkeys(queues))
        self._sifter = Sifter(handler, passing)
        self._on_apart = on_apart
        self._tuning = tuning
        self._message_bytes = message_bytes
        self._prefetch = bounded_prefetch(prefetch, message_bytes, len(self._queues), tuning.unacked_bytes)
        self._max_batch = max_batch
        self._enough = min(max_batch, self._prefetch * len(self._queues))
        self._linger = linger
        self._newest_first = newest_first
        self._retry_pause = Backoff(tuning.pause_first, tuning.pause_longest)
        self._handler_pause = Backoff(tuning.handler_pause_first, tuning.handler_pause_longest)
        self._arrivals: deque[_Arrival] = deque()
        self._first_at = 0.0
        self._some = asyncio.Event()
        self._full = asyncio.Event()
        self._places: dict[str, Subscription] = {}  # where each queue is consumed
        self._missing: set[str] = set()
        self._some_missing = asyncio.Event()
        self._stopping = asyncio.Event()
        self._resting = frozenset(resting)
        self._afresh = False  # what rests has changed
        self._worker = asyncio.create_task(self._work())
        self.attached = asyncio.Event()
        self.on_doubt: Callable[[str], None] = lambda _why: None
        """Called when a queue cannot be consumed."""

    @property
    def set_apart(self) -> int:
        """Messages that come back again and again, while the others go on."""
        return self._sifter.suspects

    def rest(self, queues: Collection[str]) -> None:
        """Leave these of the queues alone from now on, and consume the others.

        The channels are made anew, so that what was sent ahead and not yet acknowledged goes back at once, and nothing
        of a queue that rests comes over the line.
        """
        before, self._resting = self._resting.intersection(self._queues), frozenset(queues)
        if before != self._resting.intersection(self._queues):
            self._afresh = True
            self._some_missing.set()

    async def stop(self) -> None:
        """Begin no further batch and wait until the one in work is settled."""
        self._stopping.set()
        self._some.set()
        self._full.set()
        await asyncio.wait([self._worker])

    async def cut_off(self, within: float) -> None:
        """Cancel the handler and give it so many seconds to take note."""
        self._worker.cancel()
        await asyncio.wait([self._worker], timeout=within)

    def serve(self, link: BrokerLink) -> Coroutine[None, None, None]:
        """Take a link; the coroutine keeps the queues consumed on it until it is cancelled or the link ends."""
        return self._serve(link)

    async def _serve(self, link: BrokerLink) -> None:
        try:
            await self._begin(link)
            self.attached.set()
            while link.is_open:
                await self._some_missing.wait()
                if self._afresh:
                    await self._leave()
                    await self._begin(link)
                else:
                    await asyncio.sleep(self._retry_pause.pause())
                    await self._retry(link)
        finally:
            self.attached.clear()

    async def _begin(self, link: BrokerLink) -> None:
        """Consume all that does not rest."""
        self._afresh = False
        self._places.clear()
        self._missing.clear()
        self._some_missing.clear()
        self._retry_pause.reset()
        await self._subscribe(link, [queue for queue in self._queues if queue not in self._resting])

    async def _leave(self) -> None:
        """Close the channels; the broker puts back what they had not acknowledged."""
        left = set(self._places.values())
        self._places.clear()
        for subscription in left:
            if subscription.is_open:
                with suppress(ChannelClosedError):
                    await subscription.channel.close()

    async def _retry(self, link: BrokerLink) -> None:
        await self._subscribe(link, await self._look_for(link, sorted(self._missing)))
        if not self._missing:
            self._some_missing.clear()
            self._retry_pause.reset()

    async def _look_for(self, link: BrokerLink, queues: Sequence[str]) -> list[str]:
        """Which of some queues are there; the others are put aside with a log line."""
        there, missing = await present(link, queues)
        self._missing.difference_update(there)
        self._miss(missing)
        if missing:
            log.warning(Event.QUEUES_MISSING, count=len(missing), queues=missing[:_NAMED])
        return there

    async def _subscribe(self, link: BrokerLink, queues: Sequence[str]) -> None:
        """Consume queues on one channel; without those that the broker refuses, if it refuses one.

        It closes the channel then, and does not say for which queue in a form to rely on. So the missing ones are
        looked for, and if all are there, each half is tried by itself, until the refused one stands alone.
        """
        if not queues or not link.is_open:
            return
        priority = int(time.time()) if self._newest_first else None
        subscription = Subscription(
            link,
            on_message=self._arrive,
            on_cancel=self._cancelled,
            most=self._message_bytes,
            priority=priority,
        )
        subscription.channel.closed.add_done_callback(partial(self._lost, subscription))
        if await subscription.consume(queues, self._prefetch):
            self._places.update(dict.fromkeys(queues, subscription))
        elif len(queues) == 1:
            log.warning(Event.QUEUE_REFUSED, queue=queues[0], reason=subscription.channel.closed.result())
            self._miss(queues)
        else:
            there = await self._look_for(link, queues)
            middle = len(there) // 2 if len(there) == len(queues) else len(there)
            await self._subscribe(link, there[:middle])
            await self._subscribe(link, there[middle:])

    def _cancelled(self, subscription: Subscription, queue: str) -> None:
        if self._places.get(queue) is subscription:
            log.warning(Event.CONSUMER_CANCELLED, queue=queue)
            self._miss([queue])

    def _lost(self, subscription: Subscription, _closed: object) -> None:
        self._forget_stale()
        self._miss([queue for queue, place in self._places.items() if place is subscription])

    def _miss(self, queues: Sequence[str]) -> None:
        for queue in queues:
            self._places.pop(queue, None)
            self._missing.add(queue)
        if queues:
            self.on_doubt(f"{len(queues)} queues cannot be consumed")
        if self._missing:
            self._some_missing.set()

    def _forget_stale(self) -> None:
        """Drop what came over channels that are gone: the broker delivers it again.

        The handler may be long at work, and each new channel adds as many messages as it prefetches to what waits.
        """
        self._arrivals = deque(arrival for arrival in self._arrivals if arrival.subscription.is_open)
        if not self._arrivals and not self._stopping.is_set():
            self._some.clear()

    def _arrive(self, subscription: Subscription, tag: int, message: Delivered) -> None:
        self._arrivals.append(_Arrival(subscription, tag, message))
        count = len(self._arrivals)
        if count == 1:
            self._first_at = asyncio.get_running_loop().time()
            self._some.set()
        if count >= self._enough:
            self._full.set()

    async def _work(self) -> None:
        while True:
            await self._some.wait()
            await self._wait_for_more()
            if self._stopping.is_set():
                return
            batch = self._take()
            if batch:
                await self._handle(batch)

    async def _wait_for_more(self) -> None:
        rest = self._first_at + self._linger - asyncio.get_running_loop().time()
        if rest > 0 and len(self._arrivals) < self._enough:
            self._full.clear()
            await sleep_unless(self._full, rest)

    def _take(self) -> list[_Arrival]:
        """The next batch, without messages whose channel is gone: the broker delivers those again."""
        count = min(self._max_batch, len(self._arrivals))
        batch = [self._arrivals.popleft() for _ in range(count)]
        if not self._arrivals:
            self._some.clear()
        return [arrival for arrival in batch if arrival.subscription.is_open]

    async def _handle(self, batch: list[_Arrival]) -> None:
        sifted = await self._sifter.run([arrival.message for arrival in batch])
        if sifted.error is None:
            self._handler_pause.reset()
        done = [arrival for index, arrival in enumerate(batch) if index not in sifted.failed | sifted.suspects.keys()]
        refused = {id(batch[index]) for index in sifted.rejected}
        for subscription, arrivals in _by_subscription(done).items():
            rejected = {arrival.tag for arrival in arrivals if id(arrival) in refused}
            subscription.settle([arrival.tag for arrival in arrivals], rejected)
        await self._give_back(batch, sifted)

    async def _give_back(self, batch: Sequence[_Arrival], sifted: Sifted) -> None:
        """Return what failed: all of it after a pause, or single messages later, while the others go on."""
        for index, tries in sifted.suspects.items():
            pause = min(self._tuning.handler_pause_first * 2 ** min(tries, 16), self._tuning.handler_pause_longest)
            asyncio.get_running_loop().call_later(pause, batch[index].subscription.give_back, [batch[index].tag])
            self._tell_apart(batch[index].message, tries, pause, sifted.error)
        if sifted.failed:
            pause = self._handler_pause.pause()
            log.error(
                Event.HANDLER_FAILED,
                messages=len(sifted.failed),
                returned_in=round(pause, 2),
                exc_info=sifted.error,
            )
            await sleep_unless(self._stopping, pause)
            for subscription, arrivals in _by_subscription([batch[index] for index in sorted(sifted.failed)]).items():
                subscription.give_back([arrival.tag for arrival in arrivals])

    def _tell_apart(self, message: Delivered, tries: int, pause: float, error: Exception | None) -> None:
        self._on_apart(message.queue)
        log.error(
            Event.MESSAGE_SET_APART,
            queue=message.queue,
            message_id=message.message_id,
            user_id=message.user_id,
            tries=tries,
            returned_in=round(pause, 2),
            exc_info=error,
        )


def bounded_prefetch(wanted: int, message_bytes: int, queues: int, unacked_bytes: int) -> int:
    """The most unacknowledged messages per queue, so that all of them stay within a number of bytes.

    RabbitMQ counts messages alone (it has no ``prefetch_size``), so each counts as large as one may be; one at a time
    is always taken.
    """
    one_of_each = (message_bytes + PROPERTIES_BYTES) * max(1, queues)
    return max(1, min(wanted, unacked_bytes // one_of_each))


def _by_subscription(arrivals: Sequence[_Arrival]) -> dict[Subscription, list[_Arrival]]:
    parts: dict[Subscription, list[_Arrival]] = {}
    for arrival in arrivals:
        parts.setdefault(arrival.subscription, []).append(arrival)
    return parts
