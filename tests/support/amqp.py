"""Plain pika connections for tests that look at the broker from outside."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import AMQPError, ChannelClosedByBroker, ProbableAccessDeniedError

from support.broker import Vhost

REFUSED = 403
MISSING = 404


@dataclass(frozen=True, slots=True)
class Login:
    """An account's way to a vhost."""

    vhost: Vhost
    user: str
    password: str

    @contextmanager
    def connection(self) -> Iterator[BlockingConnection]:
        """A connection of its own, for as long as neither side ends it."""
        parameters = pika.URLParameters(self.vhost.amqp_url)
        parameters.credentials = pika.PlainCredentials(self.user, self.password)
        parameters.heartbeat = 0
        connection = BlockingConnection(parameters)
        try:
            yield connection
        finally:
            if connection.is_open:
                connection.close()

    @contextmanager
    def channel(self) -> Iterator[BlockingChannel]:
        """A channel in confirm mode on a connection of its own."""
        with self.connection() as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            yield channel

    def may(self, act: Callable[[BlockingChannel], object]) -> bool:
        """Whether the broker lets the account do something; any other failure is raised."""
        try:
            with self.channel() as channel:
                act(channel)
        except ProbableAccessDeniedError:  # the account has no right in the vhost at all
            return False
        except ChannelClosedByBroker as closed:
            if closed.reply_code != REFUSED:
                raise
            return False
        return True


def administrator(vhost: Vhost) -> Login:
    """The login that may do all."""
    return Login(vhost, vhost.user, vhost.password)


def is_open(connection: BlockingConnection) -> bool:
    """Whether the broker still holds a connection."""
    try:
        connection.process_data_events(0.01)
    except AMQPError:
        return False
    return bool(connection.is_open)


def take(channel: BlockingChannel, queue: str) -> tuple[pika.BasicProperties, bytes]:
    """The next message of a queue, acknowledged; a failed test when there is none."""
    method, properties, body = channel.basic_get(queue, auto_ack=True)
    if method is None or properties is None or body is None:
        pytest.fail(f"queue {queue} is empty")
    return properties, body
