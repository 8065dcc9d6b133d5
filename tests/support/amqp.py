"""Plain pika connections for tests that look at the broker from outside."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker, ProbableAccessDeniedError

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
    def channel(self) -> Iterator[BlockingChannel]:
        """A channel in confirm mode on a connection of its own."""
        parameters = pika.URLParameters(self.vhost.amqp_url)
        parameters.credentials = pika.PlainCredentials(self.user, self.password)
        connection = pika.BlockingConnection(parameters)
        channel = connection.channel()
        channel.confirm_delivery()
        try:
            yield channel
        finally:
            connection.close()

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


def take(channel: BlockingChannel, queue: str) -> tuple[pika.BasicProperties, bytes]:
    """The next message of a queue, acknowledged; a failed test when there is none."""
    method, properties, body = channel.basic_get(queue, auto_ack=True)
    if method is None or properties is None or body is None:
        pytest.fail(f"queue {queue} is empty")
    return properties, body
