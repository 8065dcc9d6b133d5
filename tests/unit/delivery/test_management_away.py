"""The management API is away, or something else answers there: the relay publishes, and the process goes on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from router.broker import SessionState
from router.broker.topology import plan
from router.delivery.managed_broker import ManagedBroker
from router.delivery.topology_sync import Keeper, TopologyState
from router.directory import Directory
from router.ledger.engine import open_engine
from router.ledger.writer import Writer
from router.settings import RouterSettings
from schemas.clock import today
from support.conditions import holds
from support.ledgers import sqlite_ledger, unit

ODD_ANSWERS = [b"<html>log in</html>", b"{}", b"[]", b"[1]", b'{"error": "x"}', b"\xff", b'"text"']


@asynccontextmanager
async def kept(directory: Path, url: str) -> AsyncIterator[tuple[asyncio.Event, list[TopologyState]]]:
    """A keeper whose management API is said to be somewhere: what lets the relay publish, and what it found."""
    units = [unit("LCA"), unit("LCA.02")]
    engine = open_engine(sqlite_ledger(directory / "ledger.sqlite3"))
    writer = Writer(engine)
    steady, found = asyncio.Event(), list[TopologyState]()
    keeper = Keeper(
        broker=ManagedBroker(RouterSettings(management_url=url, amqp_url="amqp://127.0.0.1/congvan")),
        plan=lambda: plan(units, [], vhost="congvan", day=today("UTC")),
        directory=lambda: Directory(units),
        writer=writer,
        steady=steady,
        interval=0.1,
        on_state=found.append,
        retry_longest=0.1,
    )
    keeper.on_session(SessionState.UP)
    running = asyncio.create_task(keeper.run())
    try:
        yield steady, found
        assert not running.done(), "whatever answers, the keeper goes on"
    finally:
        running.cancel()
        await asyncio.wait([running])
        writer.close()
        engine.dispose()


async def test_the_relay_publishes_while_the_management_api_is_away_and_everybody_can_see_it(tmp_path: Path) -> None:
    async with kept(tmp_path, "http://127.0.0.1:9") as (steady, found):
        await holds(steady.is_set)
        await holds(lambda: len(found) >= 2)
    assert not any(state.stands for state in found)
    assert "does not answer" in found[-1].words


def answering(body: bytes) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="text/html")

    return answer


@pytest.mark.parametrize("body", ODD_ANSWERS, ids=repr)
async def test_an_answer_of_another_form_ends_nothing(body: bytes, tmp_path: Path) -> None:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answering(body))
    async with TestServer(app) as server, kept(tmp_path, str(server.make_url(""))) as (steady, found):
        await holds(lambda: len(found) >= 2)
        assert steady.is_set()
    assert not any(state.stands for state in found)
