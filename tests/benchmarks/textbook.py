"""The textbook version: a blocking publish with its confirm, a commit and an ack for every single message.

Three processes, as a tutorial would have them: the publisher, the unit, and the recorder of receipts.
"""

import sys
import time
from pathlib import Path

import pika

from benchmarks.bare_tables import ORIGIN, UNIT, open_tables

_PERSISTENT = pika.BasicProperties(delivery_mode=2)


def publisher(url: str, directory: Path, units: list[str], dispatches: int, body_bytes: int) -> None:
    """Commit and publish one delivery after the other."""
    table = open_tables(directory / "origin.sqlite3", ORIGIN)
    channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
    channel.confirm_delivery()
    body = b"x" * body_bytes
    for number in range(dispatches):
        table.execute("INSERT INTO dispatch VALUES (?,?,?,?,?)", (f"{number:036d}", "LCA", "subject", body, 0))
        for index, code in enumerate(units):
            key = f"{number * len(units) + index:036d}"
            table.execute("INSERT INTO delivery VALUES (?,?,?,?,?,?)", (key, f"{number:036d}", code, 1, "pending", 0))
            channel.basic_publish("bench.out", code, key.encode() + body, _PERSISTENT, mandatory=True)


def unit(url: str, directory: Path, units: list[str]) -> None:
    """Spool, acknowledge and answer one message after the other, until killed."""
    table = open_tables(directory / "unit.sqlite3", UNIT)
    channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
    channel.confirm_delivery()
    channel.basic_qos(prefetch_count=1)

    def take(_channel: object, method: pika.spec.Basic.Deliver, _properties: object, body: bytes) -> None:
        key = body[:36].decode()
        table.execute("INSERT OR IGNORE INTO inbox VALUES (?,?,?,?,?)", (key, method.routing_key, body, "arrived", 0))
        channel.basic_publish("bench.in", "receipts", key.encode() + b"r" * 400, _PERSISTENT)
        channel.basic_ack(method.delivery_tag)

    for code in units:
        channel.basic_consume(f"bench.{code}", take)
    print("ready", flush=True)
    channel.start_consuming()


def record(url: str, directory: Path, count: int) -> float:
    """Record receipts one by one until all are there; seconds from now to the last commit."""
    table = open_tables(directory / "receipts.sqlite3", ORIGIN)
    channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
    channel.basic_qos(prefetch_count=1)
    started = time.monotonic()
    for number, (method, _, body) in enumerate(channel.consume("bench.receipts"), 1):
        insert = "INSERT INTO receipt (delivery_id, status, recorded_at, at) VALUES (?,?,?,?)"
        table.execute(insert, (body[:36].decode(), "arrived", 0, "2026-11-22T00:00:00+07:00"))
        channel.basic_ack(method.delivery_tag)
        if number >= count:
            break
    return time.monotonic() - started


if __name__ == "__main__":
    if sys.argv[1] == "publisher":
        publisher(sys.argv[2], Path(sys.argv[3]), sys.argv[4].split(","), int(sys.argv[5]), int(sys.argv[6]))
    else:
        unit(sys.argv[2], Path(sys.argv[3]), sys.argv[4].split(","))
