"""The management API is away, or something else answers there: what is planned at the broker is published to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from sqlalchemy import Engine
from structlog.testing import capture_logs

from router.broker import SessionState
from router.broker.errors import ManagementError
from router.broker.management import Management
from router.broker.topology import Changes, Topology, apply
from router.clocks import Organisation
from router.keeper import Keeper
from router.ledger.engine import open_engine, writing
from router.ledger.units import import_units
from router.ledger.writer import Writer
from schemas.clock import now_ms
from schemas.events import Event
from support.broker import Vhost
from support.conditions import holds
from support.ledgers import sqlite_ledger, unit
from support.sessions import on, session_on


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(sqlite_ledger(tmp_path / "ledger.sqlite3"))
    with writing(made) as conn:
        import_units(conn, [unit("LCA"), unit("LCA.02")], now_ms=now_ms())
    yield made
    made.dispose()


@pytest.fixture
def writer(engine: Engine) -> Iterator[Writer]:
    made = Writer(engine)
    yield made
    made.close()


@asynccontextmanager
async def kept(
    engine: Engine, writer: Writer, vhost: Vhost, url: str, told: list[bool]
) -> AsyncIterator[asyncio.Event]:
    """A router's keeper with its session, whose management API is said to be somewhere; set: it lets publish."""
    organisation = Organisation(engine, "Asia/Ho_Chi_Minh")
    organisation.refresh()
    steady = asyncio.Event()

    async def bring(wanted: Topology) -> Changes:
        async with Management(url, vhost.user, vhost.password) as management:
            return await apply(management, vhost.name, wanted)

    async with session_on(vhost) as session:
        keeper = Keeper(
            engine=engine,
            organisation=organisation,
            writer=writer,
            vhost=vhost.name,
            apply=bring,
            steady=steady,
            stands=session.stand,
            on_kept=told.append,
        )
        keeper.on_session(SessionState.UP)
        running = asyncio.create_task(keeper.run())
        try:
            yield steady
            assert not running.done(), "whatever answers, the keeper goes on"
        finally:
            running.cancel()
            await asyncio.wait([running])


@asynccontextmanager
async def answering(answer: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    """Something that is no management API."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_what_was_made_before_is_published_to_without_the_management_api(
    engine: Engine, writer: Writer, vhost: Vhost
) -> None:
    told: list[bool] = []
    async with kept(engine, writer, vhost, vhost.management_url, told) as steady:
        await holds(steady.is_set)
    assert told == [True]
    with capture_logs() as logs:
        async with kept(engine, writer, vhost, "http://127.0.0.1:9", told) as steady:
            await holds(steady.is_set)
    assert told[1:]
    assert not any(told[1:])
    events = [entry["event"] for entry in logs]
    assert Event.TOPOLOGY_UNCHECKED in events
    assert Event.TOPOLOGY_FAILED in events


@pytest.mark.parametrize("missing", ["org.LCA", "receipts.recorded"])
async def test_without_the_management_api_nothing_is_published_to_a_broker_that_lacks_something(
    engine: Engine, writer: Writer, vhost: Vhost, missing: str
) -> None:
    told: list[bool] = []
    async with kept(engine, writer, vhost, vhost.management_url, told) as steady:
        await holds(steady.is_set)
    on(vhost, lambda channel: channel.exchange_delete(missing))
    told.clear()
    async with kept(engine, writer, vhost, "http://127.0.0.1:9", told) as steady:
        await holds(lambda: len(told) >= 2)
        assert not steady.is_set()


@pytest.mark.parametrize(
    "body", [b"<html>log in</html>", b"{}", b"[]", b"[1]", b'{"error": "x"}', b"\xff", b'"text"'], ids=str
)
async def test_an_answer_of_another_form_ends_nothing(
    engine: Engine, writer: Writer, vhost: Vhost, body: bytes
) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="text/html")

    told: list[bool] = []
    async with answering(answer) as url, kept(engine, writer, vhost, url, told):
        await holds(lambda: len(told) >= 2)
    if body == b"<html>log in</html>":
        async with answering(answer) as url, Management(url, "u", "p") as management:
            with pytest.raises(ManagementError, match="is CONGVAN_MANAGEMENT_URL the broker's management API"):
                await management.get("overview")
