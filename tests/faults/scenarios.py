"""The faults: what is done to a running installation, one function each. None of them helps it to recover."""

import asyncio
import contextlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

import aiohttp
import pika
from sqlalchemy import update

from faults.ground import ACCEPTED, DISPATCHES, FAST, HUBS, Ground, Kind, submitting
from faults.machines import (
    database_failed_over,
    database_frozen,
    gateway_without_descriptors,
    pooler_restarted,
    router_without_descriptors,
)
from faults.people import peoples_receipts_wiped
from router.ledger.models import delivery
from schemas.accounts import Role
from schemas.clock import now_ms
from support.installation import free_port

Scenario = Callable[[Ground, int], Coroutine[None, None, dict[str, object]]]
"""Hurts the ground while DISPATCHES are handed in; returns figures of its own. The seed varies time and choice."""
FEW = DISPATCHES // 5
_KILLS = 8
ECHO = Path(__file__).with_name("echo.py")


async def killed_at_random(laid: Ground, seed: int) -> dict[str, object]:
    """kill -9 of router, gateways and broker at random points during 2,000 deliveries."""
    names: list[str] = []
    async with submitting(laid, _keys(seed, DISPATCHES), pause=0.05):
        for _ in range(_KILLS):
            await asyncio.sleep(laid.rng.uniform(0.2, 1.5))
            victim = laid.rng.choice(["router", "gateway", "gateway", "broker"])
            names.append(victim)
            await _kill_and_start(laid, victim)
    await laid.settle()
    return {"killed": names}


async def _kill_and_start(laid: Ground, victim: str) -> None:
    if victim == "broker":
        await asyncio.to_thread(laid.node.kill)
        await asyncio.sleep(laid.rng.uniform(0, 1))
        await asyncio.to_thread(laid.node.start)
        return
    program = laid.router if victim == "router" else laid.rng.choice(laid.gateways)
    program.kill()
    await asyncio.sleep(laid.rng.uniform(0, 1))
    program.start()


async def database_stopped(laid: Ground, seed: int) -> dict[str, object]:
    """PostgreSQL is stopped for 20 s while dispatches come in and receipts come back."""
    server = laid.database.server
    assert server is not None
    async with submitting(laid, _keys(seed, FEW), pause=0.2):
        await asyncio.sleep(laid.rng.uniform(0.2, 1.0))
        await asyncio.to_thread(server.stop)
        await asyncio.sleep(20)
        server.start()  # in this thread: the server ends with the thread that started it
    await laid.settle()
    return {"stopped_s": 20}


async def two_routers_killed(laid: Ground, seed: int) -> dict[str, object]:
    """Two routers share a PostgreSQL ledger; each is killed at random points while the other goes on."""
    other = laid.made.router(name="router-2", **(FAST | {"http_port": free_port()}))
    other.start()
    async with submitting(laid, _keys(seed, DISPATCHES), pause=0.03):
        for number in range(_KILLS // 2):
            await asyncio.sleep(laid.rng.uniform(0.5, 1.5))
            victim = (laid.router, other)[number % 2]
            victim.kill()
            await asyncio.sleep(laid.rng.uniform(0, 1))
            victim.start()
    await laid.settle()
    other.stop()
    return {"killed": _KILLS // 2}


async def database_locked(laid: Ground, seed: int) -> dict[str, object]:
    """Another process holds the SQLite ledger's write lock for 20 s."""
    async with submitting(laid, _keys(seed, FEW), pause=0.2):
        await asyncio.sleep(laid.rng.uniform(0.2, 1.0))
        with _locked(laid.made.directory / "router" / "ledger.sqlite3"):
            await asyncio.sleep(20)
    await laid.settle()
    return {"stopped_s": 20}


async def broker_stopped(laid: Ground, seed: int) -> dict[str, object]:
    """The broker is stopped for 30 s at full intake; no submission may be refused meanwhile."""
    async with submitting(laid, _keys(seed, DISPATCHES), pause=0.2):
        await asyncio.sleep(laid.rng.uniform(0.2, 1.0))
        await asyncio.to_thread(laid.node.stop)
        before = len(laid.accepted)
        await asyncio.sleep(30)
        meanwhile = len(laid.accepted) - before
        await asyncio.to_thread(laid.node.start)
    assert laid.refusals == 0, f"{laid.refusals} submissions were refused while the broker was away"
    await laid.settle()
    return {"stopped_s": 30, "accepted_meanwhile": meanwhile}


async def broker_wiped(laid: Ground, seed: int) -> dict[str, object]:
    """The broker loses its disk with documents in its queues."""
    async with submitting(laid, _keys(seed, FEW), pause=0.05):
        await asyncio.sleep(laid.rng.uniform(0.1, 1.0))
        for gateway in laid.gateways:
            gateway.kill()
        await asyncio.sleep(laid.rng.uniform(0.5, 1.0))
        await asyncio.to_thread(laid.node.kill)
        await asyncio.to_thread(laid.node.wipe)
        await asyncio.to_thread(laid.node.start)
        for gateway in laid.gateways:
            gateway.start()
    await laid.settle()
    return {}


async def spool_wiped(laid: Ground, seed: int) -> dict[str, object]:
    """A gateway loses its spool, what it had taken included; its inbox is another disk and stays."""
    async with submitting(laid, _keys(seed, FEW), pause=0.05):
        await asyncio.sleep(laid.rng.uniform(0.2, 1.0))
        victim = laid.rng.choice(laid.gateways)
        victim.kill()
        _wipe_spool(laid.made.directory / victim.name)
        victim.start()
    await laid.settle()
    return {"wiped": victim.name}


def _wipe_spool(directory: Path) -> None:
    for entry in directory.iterdir():
        if entry.name == "inbox":
            continue
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


async def everything_twice(laid: Ground, seed: int) -> dict[str, object]:
    """Every delivery is published again and every receipt is sent twice."""
    with _receipts_doubled(laid) as doubled:
        await laid.submit(_keys(seed, FEW))
        await laid.settle()
        with laid.made.engine.begin() as connection:
            again = connection.execute(update(delivery).values(next_due_at=now_ms())).rowcount
        await asyncio.to_thread(laid.made.wait, lambda: _nothing_due(laid), "all were published again")
        await asyncio.to_thread(laid.made.wait, lambda: doubled() > 0, "receipts were doubled")
    return {"published_again": again, "receipts_again": doubled()}


def _nothing_due(laid: Ground) -> bool:
    with laid.made.engine.connect() as connection:
        return not connection.execute(delivery.select().where(delivery.c.next_due_at.is_not(None)).limit(1)).all()


async def poison_among_good(laid: Ground, seed: int) -> dict[str, object]:
    """Messages that nobody can read stand among good ones in the intake, in unit queues and among receipts."""
    poison = [b"", b"{", b'{"v":1}', b"\xff\xfe", b"[" * 3000, b'{"receipts":[]}']
    before = _depth(laid, "dead")
    async with submitting(laid, _keys(seed, FEW), pause=0.05):
        await asyncio.sleep(0.3)
        await asyncio.to_thread(_publish_poison, laid, poison)
    await laid.settle()
    expected = before + len(poison) * 3
    await asyncio.to_thread(laid.made.wait, lambda: _depth(laid, "dead") >= expected, f"{expected} in dead")
    return {"dead": _depth(laid, "dead") - before, "poison": expected - before}


def _publish_poison(laid: Ground, bodies: list[bytes]) -> None:
    issuer, gateway = "issuer:LCA.#", f"gateway:{HUBS[0]}.#"
    targets = [
        (issuer, "intake", "intake", "submission"),
        (laid.made.vhost.user, f"org.{HUBS[0]}", f"{HUBS[0]}.01.normal", "descriptor"),
        (gateway, "receipts", f"LCA.{HUBS[0]}.01.arrived", "receipts"),
    ]
    for user, exchange, key, kind in targets:
        with _channel(laid, user) as channel:
            channel.confirm_delivery()
            for number, body in enumerate(bodies):
                properties = pika.BasicProperties(
                    message_id=f"poison-{number}", type=kind, user_id=user, delivery_mode=2
                )
                channel.basic_publish(exchange, key, body, properties, mandatory=True)


async def content_disk_full(laid: Ground, seed: int) -> dict[str, object]:
    """The content store's disk has only its reserve left: uploads get 507, nothing half-written stays, and it heals."""
    store = laid.made.directory / "router" / "content"
    await laid.submit(_keys(seed, FEW)[:3])
    before = sorted(store.rglob("*"))
    free = shutil.disk_usage(store).free
    laid.router.stop()
    laid.router.environment["CONGVAN_CONTENT_RESERVE_BYTES"] = str(free * 2)
    laid.router.start()
    await asyncio.to_thread(laid.made.wait_until_ready)
    statuses = [await _upload(laid, laid.rng.randbytes(200_000)) for _ in range(5)]
    assert statuses == [507] * 5, statuses
    assert sorted(store.rglob("*")) == before, "something of a refused upload stayed"
    laid.router.stop()
    del laid.router.environment["CONGVAN_CONTENT_RESERVE_BYTES"]
    laid.router.start()
    await asyncio.to_thread(laid.made.wait_until_ready)
    await laid.submit(_keys(seed, FEW)[3:])
    await laid.settle()
    return {"refused_507": len(statuses)}


async def _upload(laid: Ground, content: bytes) -> int:
    token = laid.made.account(Role.ISSUER, "LCA.#")
    form = aiohttp.FormData()
    letter = '{"notation":"1","subject":"x","issuer":"LCA","addressees":["LCA.01.*"]}'
    form.add_field("dispatch", letter, content_type="application/json")
    form.add_field("file", content, filename="scan.bin", content_type="application/octet-stream")
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(f"{laid.made.api}/api/v1/dispatches", data=form) as answer,
    ):
        assert answer.status != ACCEPTED
        return answer.status


SCENARIOS: dict[str, Scenario] = {
    item.__name__: item
    for item in (
        killed_at_random,
        two_routers_killed,
        database_stopped,
        database_locked,
        broker_stopped,
        broker_wiped,
        peoples_receipts_wiped,
        spool_wiped,
        everything_twice,
        poison_among_good,
        content_disk_full,
        database_failed_over,
        database_frozen,
        pooler_restarted,
        router_without_descriptors,
        gateway_without_descriptors,
    )
}


KINDS = {
    two_routers_killed.__name__: Kind.POSTGRESQL,
    database_stopped.__name__: Kind.POSTGRESQL,
    database_frozen.__name__: Kind.POSTGRESQL,
    database_failed_over.__name__: Kind.REPLICATED,
    pooler_restarted.__name__: Kind.POOLED,
}
"""The faults that are about PostgreSQL; the others have their ledger on SQLite."""
LONG = {
    database_failed_over.__name__,
    database_frozen.__name__,
    router_without_descriptors.__name__,
    gateway_without_descriptors.__name__,
}
"""The faults that wait for half a minute and more with every seed."""
WIPED = {broker_wiped.__name__, peoples_receipts_wiped.__name__}
"""The faults that wipe the broker: only the node's own vhost is there again afterwards."""


def _keys(seed: int, count: int) -> list[str]:
    return [f"seed{seed}-{number}" for number in range(count)]


@contextlib.contextmanager
def _locked(database: Path) -> Iterator[None]:
    """Hold the database's write lock, as a stuck backup would: no commit gets through."""
    connection = sqlite3.connect(database, isolation_level=None, timeout=30)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


@contextlib.contextmanager
def _channel(laid: Ground, user: str) -> Iterator[pika.adapters.blocking_connection.BlockingChannel]:
    parameters = pika.URLParameters(laid.made.vhost.amqp_url)
    password = laid.made.tokens.get(user, laid.made.vhost.password)
    parameters.credentials = pika.PlainCredentials(user, password)
    connection = pika.BlockingConnection(parameters)
    try:
        yield connection.channel()
    finally:
        connection.close()


def _depth(laid: Ground, queue: str) -> int:
    with _channel(laid, laid.made.vhost.user) as channel:
        return int(channel.queue_declare(queue, passive=True).method.message_count)


@contextlib.contextmanager
def _receipts_doubled(laid: Ground) -> Iterator[Callable[[], int]]:
    """A process that sends a second copy of every receipt, as the account that sent the first."""
    with _channel(laid, laid.made.vhost.user) as channel:
        channel.queue_declare("echo", durable=True, arguments={"x-queue-type": "quorum"})
        channel.queue_bind("echo", "receipts", "#")
    counted = laid.made.directory / "echoes"
    counted.write_text("0")
    logins = [f"{name}={token}" for name, token in laid.made.tokens.items() if name.startswith("gateway:")]
    process = subprocess.Popen([sys.executable, str(ECHO), laid.made.vhost.login_url, str(counted), *logins])
    try:
        yield lambda: int(counted.read_text() or 0)
    finally:
        process.kill()
        process.wait()
