"""The yardstick: the same rows and the same two messages per delivery through pika, tuned by hand, without features.

Two processes, as congvan has: the origin (commits dispatches and deliveries, publishes, records receipts) and the
unit (spools, publishes a receipt for each delivery). Both pipeline with a window of unconfirmed publishes, acknowledge
in batches after a group commit, and do nothing else: no validation, no recovery, no addressing, no states.
"""

import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pika
from pika.adapters.asyncio_connection import AsyncioConnection

from benchmarks.bare_tables import ORIGIN, UNIT, open_tables

WINDOW = 1000
GROUP_ROWS = 500
GROUP_SECONDS = 0.02
PREFETCH = 2000
_PERSISTENT = 2


class Pipe:
    """One connection with a confirmed publishing channel and a consuming one."""

    def __init__(
        self, url: str, queues: list[str], on_ready: Callable[[], None], on_batch: Callable[[list[Any]], None]
    ) -> None:
        self.queues, self.on_ready, self.on_batch = queues, on_ready, on_batch
        self.sent = 0
        self.pending: dict[int, None] = {}
        self.buffer: list[Any] = []
        self.timer: Any = None
        self.connection = AsyncioConnection(pika.URLParameters(url), on_open_callback=self._opened)
        self.loop = self.connection.ioloop

    def _opened(self, connection: Any) -> None:
        connection.channel(on_open_callback=self._publishing)

    def _publishing(self, channel: Any) -> None:
        self.out = channel
        channel.confirm_delivery(
            self._confirm, callback=lambda _: self.connection.channel(on_open_callback=self._consuming)
        )

    def _consuming(self, channel: Any) -> None:
        self.into = channel
        channel.basic_qos(prefetch_count=PREFETCH, callback=lambda _: self._consume())

    def _consume(self) -> None:
        for queue in self.queues:
            self.into.basic_consume(queue, self._message)
        self.on_ready()

    def _confirm(self, frame: Any) -> None:
        tag = frame.method.delivery_tag
        if frame.method.multiple:
            for pending in [*itertools.takewhile(lambda number: number <= tag, self.pending)]:
                del self.pending[pending]
        else:
            del self.pending[tag]
        self.on_room()

    def on_room(self) -> None:
        """Room in the window; replaced by who publishes."""

    @property
    def room(self) -> int:
        return WINDOW - len(self.pending)

    def publish(self, exchange: str, key: str, body: bytes, message_id: str) -> None:
        properties = pika.BasicProperties(
            content_type="application/json", delivery_mode=_PERSISTENT, message_id=message_id, type="descriptor"
        )
        self.out.basic_publish(exchange, key, body, properties, mandatory=True)
        self.sent += 1
        self.pending[self.sent] = None

    def _message(self, _channel: Any, method: Any, properties: Any, body: bytes) -> None:
        self.buffer.append((method.delivery_tag, method.routing_key, properties.message_id, body))
        if len(self.buffer) >= GROUP_ROWS:
            self._flush()
        elif self.timer is None:
            self.timer = self.loop.call_later(GROUP_SECONDS, self._flush)

    def _flush(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        batch, self.buffer = self.buffer, []
        if batch:
            self.on_batch(batch)
            self.into.basic_ack(batch[-1][0], multiple=True)


def origin(url: str, directory: Path, units: list[str], dispatches: int, body_bytes: int) -> float:
    """Send the dispatches and record all receipts; seconds from the first commit to the last."""
    table = open_tables(directory / "origin.sqlite3", ORIGIN)
    body = b"x" * body_bytes
    todo = [(f"{number:036d}", unit) for number in range(dispatches) for unit in units]
    state = {"next": 0, "recorded": 0}
    began: list[float] = []

    def feed() -> None:
        while state["next"] < len(todo) and pipe.room >= GROUP_ROWS:
            group = todo[state["next"] : state["next"] + GROUP_ROWS]
            now = time.time_ns() // 1_000_000
            numbers = sorted({number for number, _ in group})
            table.execute("BEGIN")
            table.executemany(
                "INSERT OR IGNORE INTO dispatch VALUES (?,?,?,?,?)", [(n, "LCA", "subject", body, now) for n in numbers]
            )
            ids = [f"{state['next'] + i:036d}" for i in range(len(group))]
            table.executemany(
                "INSERT INTO delivery VALUES (?,?,?,?,?,?)",
                [(i, n, u, 1, "pending", now) for i, (n, u) in zip(ids, group, strict=True)],
            )
            table.execute("COMMIT")
            for delivery_id, (_, unit) in zip(ids, group, strict=True):
                pipe.publish("bench.out", unit, body, delivery_id)
            state["next"] += len(group)

    def record(batch: list[Any]) -> None:
        now = time.time_ns() // 1_000_000
        table.execute("BEGIN")
        table.executemany(
            "INSERT INTO receipt (delivery_id, status, recorded_at, at) VALUES (?,?,?,?)",
            [(item[2], status, now, "2026-11-22T00:00:00+07:00") for item in batch for status in ("queued", "arrived")],
        )
        table.executemany(
            "UPDATE delivery SET state='arrived', state_at=? WHERE id=?", [(now, item[2]) for item in batch]
        )
        table.execute("COMMIT")
        state["recorded"] += len(batch)
        if state["recorded"] >= len(todo):
            pipe.loop.stop()

    def ready() -> None:
        began.append(time.monotonic())
        feed()

    pipe = Pipe(url, ["bench.receipts"], ready, record)
    pipe.on_room = feed  # type: ignore[method-assign]
    pipe.loop.run_forever()
    return time.monotonic() - began[0]


def unit(url: str, directory: Path, units: list[str]) -> None:
    """Spool what comes and answer each delivery with a receipt, until killed."""
    table = open_tables(directory / "unit.sqlite3", UNIT)
    payload = b"r" * 400

    def take(batch: list[Any]) -> None:
        now = time.time_ns() // 1_000_000
        table.execute("BEGIN")
        table.executemany(
            "INSERT OR IGNORE INTO inbox VALUES (?,?,?,?,?)", [(i[2], i[1], i[3], "arrived", now) for i in batch]
        )
        table.executemany(
            "INSERT INTO outbox (delivery_id, status, payload, sent_at) VALUES (?,?,?,?)",
            [(item[2], "arrived", payload, now) for item in batch],
        )
        table.execute("COMMIT")
        for item in batch:
            pipe.publish("bench.in", "receipts", payload, item[2])

    pipe = Pipe(url, [f"bench.{code}" for code in units], lambda: print("ready", flush=True), take)
    pipe.loop.run_forever()


if __name__ == "__main__":
    if sys.argv[1] == "unit":
        unit(sys.argv[2], Path(sys.argv[3]), sys.argv[4].split(","))
    else:
        print(origin(sys.argv[2], Path(sys.argv[3]), sys.argv[4].split(","), int(sys.argv[5]), int(sys.argv[6])))
