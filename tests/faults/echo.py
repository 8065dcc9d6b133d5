"""Sends a second copy of every receipt in queue ``echo``: ``python echo.py URL COUNTER ACCOUNT=TOKEN…``."""

import sys
from pathlib import Path

import pika

MARK = "echoed"


def main(url: str, counter: Path, logins: dict[str, str]) -> None:
    """Until killed. A copy comes from the account that sent the first, because the broker checks ``user_id``."""
    source = pika.BlockingConnection(pika.URLParameters(url)).channel()
    ways = {user: _login(url, user, token) for user, token in logins.items()}
    for count, (method, properties, body) in enumerate(source.consume("echo"), 1):
        if MARK not in (properties.headers or {}):
            properties.headers = {**(properties.headers or {}), MARK: 1}
            ways[properties.user_id].basic_publish("receipts", method.routing_key, body, properties)
            counter.write_text(str(count))
        source.basic_ack(method.delivery_tag)


def _login(url: str, user: str, token: str) -> pika.adapters.blocking_connection.BlockingChannel:
    parameters = pika.URLParameters(url)
    parameters.credentials = pika.PlainCredentials(user, token)
    parameters.heartbeat = 0  # it lives as long as one fault
    channel = pika.BlockingConnection(parameters).channel()
    channel.confirm_delivery()
    return channel


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), dict(argument.split("=", 1) for argument in sys.argv[3:]))
