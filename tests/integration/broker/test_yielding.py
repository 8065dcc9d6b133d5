"""A router that has lost its ledger leaves what comes to those that have theirs, and comes back with it."""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from router.broker import Delivered
from router.delivery.yielding import PATIENCE, Yielding
from router.ledger.engine import open_engine
from router.ledger.writer import Writer
from support.broker import Vhost
from support.conditions import holds
from support.ledgers import sqlite_ledger
from support.sessions import Keeper, declare, depth, letters, session_on
from support.stand_ins import away, impatient

QUEUE = "receipts.ledger"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Engine]:
    engine = impatient(open_engine(sqlite_ledger(tmp_path / "ledger.sqlite3")))
    yield engine
    engine.dispose()


def note(_connection: Connection, batches: Sequence[int]) -> list[int]:
    return list(batches)


async def test_what_comes_while_the_ledger_is_away_goes_to_the_routers_that_have_theirs(
    vhost: Vhost, ledger: Engine
) -> None:
    declare(vhost, QUEUE)
    writer, seconds = Writer(ledger), 0.0
    recorded = Keeper()

    async def record(batch: Sequence[Delivered]) -> Collection[int]:
        await writer.run(note, len(batch))
        return await recorded(batch)

    async with session_on(vhost) as session, session_on(vhost, name="other") as other:
        consumer = session.consume([QUEUE], record, prefetch=100, max_batch=10)
        yielding = Yielding(writer, {QUEUE: consumer}, clock=lambda: seconds)
        with away(ledger):
            await session.publisher().publish(letters(QUEUE, 30))
            await holds(lambda: not writer.available, what="the ledger is away")
            await yielding.look()
            seconds += PATIENCE - 1
            await yielding.look()
            assert depth(vhost, QUEUE) == 0, "a fail-over is waited for"
            seconds += 1
            await yielding.look()
            await holds(lambda: depth(vhost, QUEUE) == 30, what="all lies in the queue again")
            healthy = Keeper()
            other.consume([QUEUE], healthy, prefetch=100)
            await holds(lambda: len(healthy.messages) == 30, what="the other router has taken it")
        await holds(lambda: writer.available, what="the ledger is back")
        await yielding.look()
        await other.close()
        await session.publisher().publish(letters(QUEUE, 5, first=30))
        await holds(lambda: {f"{QUEUE}-{n}" for n in range(30, 35)} <= set(recorded.ids), what="it takes again")
        assert set(healthy.ids) == {f"{QUEUE}-{n}" for n in range(30)}
    await asyncio.to_thread(writer.close)
