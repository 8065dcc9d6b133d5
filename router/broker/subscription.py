"""Queues consumed on one channel: a delivery tag has a meaning only together with its channel, so acks live here."""

from collections.abc import Callable, Collection, Sequence

import structlog
from pika import spec

from router.broker.acks import Acks
from router.broker.errors import ChannelClosedError
from router.broker.inbox import Inbox
from router.broker.link import BrokerLink, Channel
from router.broker.message import Delivered
from schemas.events import Event

log = structlog.get_logger()


class Subscription:
    """Some queues of a consumer, on a channel of their own.

    Args:
        link: the connection to open the channel on.
        on_message: called with this subscription, the delivery tag and the message.
        on_cancel: called with this subscription and a queue whose consumer the broker has cancelled.
        most: bytes of a message's body; a longer one does not come with it.
        priority: the broker sends to the consumer with the highest one that has room; None: in turn.
    """

    def __init__(
        self,
        link: BrokerLink,
        *,
        on_message: "Callable[[Subscription, int, Delivered], None]",
        on_cancel: "Callable[[Subscription, str], None]",
        most: int,
        priority: int | None = None,
    ) -> None:
        self._link = link
        self._on_message = on_message
        self._on_cancel = on_cancel
        self._arguments = {} if priority is None else {"x-priority": priority}
        self._most = most
        self._acks = Acks()
        self.channel = Channel(link, link.reserve_number())
        self.channel.closed.add_done_callback(lambda _: link.release_number(self.channel.number))

    @property
    def is_open(self) -> bool:
        """Whether its delivery tags still mean anything."""
        return self.channel.is_open

    async def consume(self, queues: Sequence[str], prefetch: int) -> bool:
        """Set the prefetch, then consume the queues, all in one write; False when the broker closed the channel."""
        try:
            await self.channel.open(Inbox(on_deliver=self._deliver, most=self._most))
        except ChannelClosedError:
            return False
        self.channel.on_cancel(lambda queue: self._on_cancel(self, queue))
        qos = spec.Basic.Qos(prefetch_count=prefetch)
        consumes = [spec.Basic.Consume(queue=queue, consumer_tag=queue, arguments=self._arguments) for queue in queues]
        return await self.channel.ask([qos, *consumes]) == 1 + len(queues)

    def settle(self, tags: Sequence[int], rejected: Collection[int]) -> None:
        """Reject some tags for good (the queue dead-letters them) and acknowledge the others."""
        if self._stale(tags):
            return
        bad = [tag for tag in tags if tag in rejected]
        for tag in bad:
            self._acks.settled(tag)
        settled = self._acks.settle(tag for tag in tags if tag not in rejected)
        rejects = [spec.Basic.Reject(tag, requeue=False) for tag in bad]
        self.channel.tell(rejects + [spec.Basic.Ack(tag, multiple) for tag, multiple in settled])

    def give_back(self, tags: Sequence[int]) -> None:
        """Return messages to their queues."""
        if not self._stale(tags):
            settled = self._acks.settle(tags)
            self.channel.tell([spec.Basic.Nack(tag, multiple, requeue=True) for tag, multiple in settled])

    def _deliver(self, tag: int, message: Delivered) -> None:
        self._on_message(self, tag, message)

    def _stale(self, tags: Sequence[int]) -> bool:
        if not self.is_open:
            closed = self.channel.closed
            reason = closed.result() if closed.done() else "given up by this side"
            log.info(Event.STALE_ACKS_DROPPED, messages=len(tags), reason=reason)
        return not self.is_open


async def present(link: BrokerLink, queues: Sequence[str]) -> tuple[list[str], list[str]]:
    """Which of some queues are there, and which are not, without touching any channel in use.

    Asks for all in one write; each missing queue costs one channel, which the broker closes for it.
    """
    there: list[str] = []
    missing: list[str] = []
    rest = list(queues)
    while rest:
        channel = Channel(link, link.reserve_number())
        try:
            await channel.open()
            answered = await channel.ask([spec.Queue.Declare(queue=queue, passive=True) for queue in rest])
            await channel.close()
        except ChannelClosedError:
            return there, missing + rest
        finally:
            link.release_number(channel.number)
        there += rest[:answered]
        missing += rest[answered : answered + 1]
        rest = rest[answered + 1 :]
    return there, missing
