"""Broker sessions for tests: quick to recover, closed at the end, with queues to try them on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager

from pika.adapters.blocking_connection import BlockingChannel

from router.broker import Delivered, Outgoing, Session, Template, Tuning
from support.amqp import administrator
from support.broker import Vhost

QUICK = Tuning(heartbeat=5, pause_first=0.02, pause_longest=0.2, handler_pause_first=0.02, handler_pause_longest=0.1)
QUORUM = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}


@asynccontextmanager
async def session_on(
    vhost: Vhost, *, url: str = "", tuning: Tuning = QUICK, name: str = "test"
) -> AsyncIterator[Session]:
    """A started session, up."""
    session = Session(url or vhost.amqp_url, user=vhost.user, password=vhost.password, name=name, tuning=tuning)
    await session.start()
    try:
        await session.ready(30)
        yield session
    finally:
        await session.close(5)


def declare(vhost: Vhost, *queues: str, **arguments: str | int) -> None:
    """Make quorum queues that dead-letter to the queue ``dead``."""

    def make(channel: BlockingChannel) -> None:
        channel.exchange_declare("dead", "fanout", durable=True)
        channel.queue_declare("dead", durable=True, arguments=dict(QUORUM))
        channel.queue_bind("dead", "dead")
        for queue in queues:
            wanted = {**QUORUM, "x-dead-letter-exchange": "dead", "x-overflow": "reject-publish", **arguments}
            channel.queue_declare(queue, durable=True, arguments=wanted)

    on(vhost, make)


def on(vhost: Vhost, act: Callable[[BlockingChannel], object]) -> None:
    """Do something at the broker through a connection of its own."""
    with administrator(vhost).channel() as channel:
        act(channel)


def depth(vhost: Vhost, queue: str) -> int:
    """How many messages of a queue are ready."""
    with administrator(vhost).channel() as channel:
        return int(channel.queue_declare(queue, passive=True).method.message_count)


def letters(queue: str, count: int, *, first: int = 0, size: int = 100, exchange: str = "") -> list[Outgoing]:
    """Messages with the ids ``<queue>-0`` and so on."""
    template = Template(exchange, "descriptor", b"x" * size)
    return [Outgoing(template, queue, f"{queue}-{n}", {"seq": n}) for n in range(first, first + count)]


class Keeper:
    """A handler that keeps what it was given; ``reject`` names message ids, ``gate`` holds it back."""

    def __init__(self, *, reject: Collection[str] = ()) -> None:
        self.batches: list[list[Delivered]] = []
        self.reject = reject
        self.gate = asyncio.Event()
        self.gate.set()
        self.running = 0
        self.most_running = 0
        self.fail_next = 0

    async def __call__(self, batch: Sequence[Delivered]) -> Collection[int]:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            self.batches.append(list(batch))
            await self.gate.wait()
            if self.fail_next:
                self.fail_next -= 1
                raise RuntimeError("the ledger is not there")
        finally:
            self.running -= 1
        return [index for index, message in enumerate(batch) if message.message_id in self.reject]

    @property
    def messages(self) -> list[Delivered]:
        """All messages, in the order they came."""
        return [message for batch in self.batches for message in batch]

    @property
    def ids(self) -> list[str]:
        """Their ids."""
        return [message.message_id for message in self.messages]
