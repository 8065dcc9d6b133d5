"""What one message costs a session: processor microseconds to publish it confirmed, and to consume it.

``python -m tests.benchmarks.broker_session [--count 20000] [--size 2000]`` starts a private node, publishes to a quorum
queue with a window of 1000, consumes with a prefetch of 1000, and prints one JSON object.
"""

import argparse
import asyncio
import json
import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pika
import structlog
import uvloop

from router.broker import Delivered, Outgoing, PublishOutcome, Session, Template
from router.broker.node import NodeAddress, PrivateNode

QUEUE = "benchmark"
_PER_CALL = 500
_CALLERS = 4


def declare(node: NodeAddress) -> None:
    parameters = pika.URLParameters(node.amqp_url)
    parameters.credentials = pika.PlainCredentials(node.user, node.password)
    connection = pika.BlockingConnection(parameters)
    connection.channel().queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
    connection.close()


async def publish_all(session: Session, messages: Sequence[Outgoing]) -> None:
    publisher = session.publisher(window=1000)

    async def caller(own: Sequence[Outgoing]) -> None:
        for at in range(0, len(own), _PER_CALL):
            outcomes = await publisher.publish(own[at : at + _PER_CALL])
            assert set(outcomes) == {PublishOutcome.CONFIRMED}

    await asyncio.gather(*(caller(messages[n::_CALLERS]) for n in range(_CALLERS)))


async def consume_all(session: Session, count: int) -> None:
    seen = 0
    done = asyncio.Event()

    async def handler(batch: Sequence[Delivered]) -> tuple[int, ...]:
        nonlocal seen
        seen += len(batch)
        if seen >= count:
            done.set()
        return ()

    session.consume([QUEUE], handler, prefetch=1000)
    await done.wait()


class Cost:
    """Time and processor time of a piece of work."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def of(self, count: int) -> dict[str, float]:
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        return {"per_second": round(count / wall), "cpu_us_per_message": round(cpu / count * 1e6, 1)}


async def measure(node: NodeAddress, count: int, size: int) -> dict[str, object]:
    template = Template("", "descriptor", b"x" * size, {"traceparent": "00-" + "0" * 52})
    messages = [
        Outgoing(template, QUEUE, f"019b0c5e-7d3a-7c3e-9f6b-{n:012d}", {"unit": "LCA.02.05", "seq": n})
        for n in range(count)
    ]
    session = Session(node.amqp_url, user=node.user, password=node.password, name="benchmark")
    await session.start()
    await session.ready(30)
    try:
        cost = Cost()
        await publish_all(session, messages)
        published = cost.of(count)
        cost = Cost()
        await consume_all(session, count)
        return {"count": count, "bytes": size, "publish": published, "consume": cost.of(count)}
    finally:
        await session.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=2000)
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory() as directory, PrivateNode(Path(directory) / "node", name="benchmark") as node:
        declare(node)
        run: Callable[..., dict[str, object]] = uvloop.run
        print(json.dumps(run(measure(node, given.count, given.size))))


if __name__ == "__main__":
    main()
