"""Looking at the broker over AMQP alone, without the management API and without changing anything."""

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pika import spec

from router.broker.errors import ChannelClosedError
from router.broker.link import BrokerLink, Channel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def depth(link: BrokerLink, queue: str) -> int | None:
    """How many messages of a queue are ready; None: it is not there, or the connection went."""
    try:
        async with _channel(link) as channel:
            if await channel.ask([spec.Queue.Declare(queue=queue, passive=True)]):
                return int(channel.answers[0].method.message_count)
    except ChannelClosedError:
        pass
    return None


@asynccontextmanager
async def _channel(link: BrokerLink) -> "AsyncIterator[Channel]":
    """A channel for one question: the broker closes it when what is asked about is not there."""
    channel = Channel(link, link.reserve_number())
    try:
        await channel.open()
        yield channel
        await channel.close()
    finally:
        link.release_number(channel.number)
