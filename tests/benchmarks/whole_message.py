"""Consumes whole documents from a queue into a folder, again after every lost connection: ``URL QUEUE FOLDER``."""

import sys
import time
from pathlib import Path

import pika
from pika.exceptions import AMQPError


def main(url: str, queue: str, folder: Path) -> None:
    """Until killed; an unacknowledged message is sent again from its first byte."""
    while True:
        try:
            _consume(url, queue, folder)
        except (AMQPError, OSError) as error:
            print(repr(error), file=sys.stderr)
            time.sleep(1)


def _consume(url: str, queue: str, folder: Path) -> None:
    channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
    channel.basic_qos(prefetch_count=1)
    for method, properties, body in channel.consume(queue):
        part = folder / f"{properties.message_id}.part"
        part.write_bytes(body)
        part.rename(folder / properties.message_id)
        channel.basic_ack(method.delivery_tag)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
