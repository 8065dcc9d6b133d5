"""What PostgreSQL does when a site fails over, is pooled or stands still: the ledger waits, and loses nothing."""

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import Connection, Engine, select, text

from router.errors import LedgerTroubleError, LedgerUnavailableError
from router.ledger import writer as writers
from router.ledger.engine import open_engine, reading, upgrade, writing
from router.ledger.models import unit as unit_table
from router.ledger.units.unit_list import import_units, list_units
from router.ledger.writer import Writer
from support.conditions import holds
from support.ledgers import START, unit
from support.postgres import PrivatePostgres
from support.standby import Bouncer, Pair

CODES = [f"LCA.{number:02d}" for number in range(1, 40)]


def put(connection: Connection, codes: Sequence[str]) -> list[str]:
    import_units(connection, [unit(code) for code in ("LCA", *codes)], now_ms=START)
    return list(codes)


def codes_of(engine: Engine) -> set[str]:
    with reading(engine) as conn:
        return {item.code for item in list_units(conn)}


async def test_a_change_waits_for_the_promotion_of_a_standby_and_is_made_once(pair: Pair) -> None:
    upgrade(pair.url("postgres"))
    engine = open_engine(pair.url_of_any("postgres"))
    writer = Writer(engine)
    await writer.run(put, "LCA.01")
    pair.primary.kill()
    waiting = [asyncio.create_task(writer.run(put, code)) for code in CODES]
    await holds(lambda: "25006" in writer.state)
    assert not writer.available
    assert codes_of(engine) == {"LCA", "LCA.01"}, "a standby is read"
    assert not any(task.done() for task in waiting)
    await asyncio.to_thread(pair.promote)
    assert await asyncio.wait_for(asyncio.gather(*waiting), 60) == CODES
    assert writer.available
    assert codes_of(engine) == {"LCA", *CODES}
    await asyncio.to_thread(writer.close)
    engine.dispose()


async def test_with_two_hosts_the_one_that_takes_writes_is_found(pair: Pair) -> None:
    upgrade(pair.url("postgres"))
    engine = open_engine(pair.url("postgres"))
    writer = Writer(engine)
    await writer.run(put, "LCA.01")
    pair.primary.kill()
    waiting = asyncio.create_task(writer.run(put, "LCA.02"))
    await holds(lambda: not writer.available)
    await asyncio.to_thread(pair.promote)
    await asyncio.wait_for(waiting, 60)
    assert codes_of(engine) == {"LCA", "LCA.01", "LCA.02"}
    await asyncio.to_thread(writer.close)
    engine.dispose()


def test_the_tables_of_a_standby_that_are_up_to_date_are_no_error(pair: Pair) -> None:
    upgrade(pair.url("postgres"))
    upgrade(pair.standby.url)


def test_a_standby_without_the_tables_is_an_outage(pair: Pair) -> None:
    with pytest.raises(LedgerUnavailableError):
        upgrade(pair.standby.url)


async def test_a_database_that_stands_still_is_told_and_left_within_the_time_it_has(
    server: PrivatePostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "SLOW_SECONDS", 0.5)
    upgrade(server.url)
    engine = open_engine(server.url, answers_within=2.0)
    writer = Writer(engine)
    await writer.run(put, "LCA.01")
    server.freeze(frozen=True)
    waiting = asyncio.create_task(writer.run(put, "LCA.02"))
    try:
        await holds(lambda: not writer.available)
        await holds(lambda: "takes no changes" in writer.state)  # the answer was given up, and another connection tried
        with pytest.raises(LedgerUnavailableError):
            await asyncio.to_thread(codes_of, engine)
    finally:
        server.freeze(frozen=False)
    await asyncio.wait_for(waiting, 60)
    assert codes_of(engine) == {"LCA", "LCA.01", "LCA.02"}
    await asyncio.to_thread(writer.close)
    engine.dispose()


async def test_a_statement_that_takes_too_long_stops_no_other_and_is_not_left_running(server: PrivatePostgres) -> None:
    """It fails alone, its caller is told to come again, and the server is rid of it."""
    upgrade(server.url)
    engine = open_engine(server.url, answers_within=1.0)
    writer = Writer(engine, linger=0.1)

    def slow(connection: Connection, codes: Sequence[str]) -> list[str]:
        connection.execute(text("SELECT pg_sleep(600)"))
        return list(codes)

    bad, good = (asyncio.create_task(writer.run(act, code)) for act, code in ((slow, "x"), (put, "LCA.01")))
    assert await asyncio.wait_for(good, 60) == "LCA.01"
    with pytest.raises(LedgerTroubleError, match="57014"):
        await bad
    assert writer.available

    def is_running() -> bool:
        with psycopg.connect(server.libpq, autocommit=True) as other:
            running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%pg_sleep(600)%%' AND pid <> %s"
            return other.execute(running, (other.info.backend_pid,)).fetchone() != (0,)

    await holds(lambda: not is_running(), what="the server has ended it")
    await asyncio.to_thread(writer.close)
    engine.dispose()


def test_a_transaction_that_was_idle_for_too_long_is_an_outage(server: PrivatePostgres) -> None:
    upgrade(server.url)
    engine = open_engine(server.url)

    def linger() -> None:
        with writing(engine) as conn:
            conn.execute(text("SET LOCAL idle_in_transaction_session_timeout = '50ms'"))
            with psycopg.connect(server.libpq, autocommit=True) as other:
                deadline = time.monotonic() + 30
                idle = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
                while other.execute(idle).fetchone() != (0,):
                    assert time.monotonic() < deadline
            conn.execute(text("SELECT 1"))

    with pytest.raises(LedgerUnavailableError):
        linger()
    with writing(engine) as conn:
        put(conn, ["LCA.01"])
    engine.dispose()


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_pooler_in_transaction_mode_serves_as_the_server_itself(
    server: PrivatePostgres,
    restarted: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    bouncer = Bouncer(server)
    bouncer.start()
    try:
        upgrade(bouncer.url("postgres"))
        engine = open_engine(bouncer.url("postgres"))
        writer = Writer(engine, max_rows=3)
        # As many at once as there are more sessions than one at the server, each often enough to be prepared.
        reads = ThreadPoolExecutor(8)
        waiting = [asyncio.create_task(writer.run(put, code)) for code in CODES]
        if restarted:
            await asyncio.to_thread(bouncer.stop)
            bouncer.start()
        loop = asyncio.get_running_loop()
        if not restarted:
            await asyncio.gather(*(loop.run_in_executor(reads, codes_of, engine) for _ in range(200)))
        assert await asyncio.wait_for(asyncio.gather(*waiting), 60) == CODES
        assert codes_of(engine) == {"LCA", *CODES}
        await asyncio.to_thread(writer.close)
        engine.dispose()
    finally:
        bouncer.stop()


async def test_what_nobody_knows_to_last_is_told_to_its_caller_alone_as_something_to_come_again_for(
    ledger: Engine,
) -> None:
    writer = Writer(ledger, linger=0.1)

    def failing(connection: Connection, codes: Sequence[str]) -> list[str]:
        if "LCA.66" in codes:
            connection.execute(text("SELECT * FROM a_table_that_is_not_there_now"))
        return put(connection, codes)

    bad, *good = (asyncio.create_task(writer.run(failing, code)) for code in ("LCA.66", *CODES))
    assert await asyncio.wait_for(asyncio.gather(*good), 30) == CODES
    with pytest.raises(LedgerTroubleError):
        await bad
    assert writer.available
    await asyncio.to_thread(writer.close)


async def test_a_full_writer_makes_a_part_wait_and_a_door_refuse(
    ledger: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "MAX_WAITING", 5)
    held, let_go = threading.Event(), threading.Event()

    def hold(connection: Connection, items: Sequence[None]) -> list[object]:
        held.set()
        assert let_go.wait(60)
        return [connection.execute(select(unit_table.c.code)).all() for _ in items]

    writer = Writer(ledger, linger=0.0)
    first = asyncio.create_task(writer.run(hold, None))
    await asyncio.to_thread(held.wait, 30)
    waiting = [asyncio.create_task(writer.run(put, code)) for code in CODES]
    await asyncio.sleep(0)
    with pytest.raises(LedgerUnavailableError, match="no more changes"):
        await writer.run(put, "LCA.99", patient=False)
    assert not any(task.done() for task in waiting)
    let_go.set()
    await asyncio.wait_for(first, 30)
    assert await asyncio.wait_for(asyncio.gather(*waiting), 60) == CODES
    await asyncio.to_thread(writer.close)
