"""The faults: what is done to a running installation, one function each. None of them helps it to recover."""

import asyncio
import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import update

from faults.ground import ACCEPTED, DISPATCHES, FAST, FEW, HUBS, Ground, Kind, keys_of, submitting
from faults.machines import (
    database_failed_over,
    database_frozen,
    gateway_without_descriptors,
    pooler_restarted,
    router_without_descriptors,
)
from faults.older import older_ledger_restored
from faults.people import peoples_receipts_wiped
from faults.poison import poison_among_good
from faults.topology import deleted_topology
from rig.clock import ENVIRONMENT, Clock
from router.ledger.models import delivery
from router.ledger.units.gateways import second_spools
from schemas.accounts import Role
from schemas.clock import now_ms
from support.amqp import administrator
from support.installation import CONGVAN, free_port
from support.rot import rot

Scenario = Callable[[Ground, int], Coroutine[None, None, dict[str, object]]]
"""Hurts the ground while DISPATCHES are handed in; returns figures of its own. The seed varies time and choice."""
_KILLS = 8
_STORED = "[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/*"
"""The files of a content store's contents and forms."""
_DAY, _YEAR = 86_400, 365 * 86_400
ECHO = Path(__file__).with_name("echo.py")


async def killed_at_random(laid: Ground, seed: int) -> dict[str, object]:
    """kill -9 of router, gateways and broker at random points during 2,000 deliveries."""
    names: list[str] = []
    async with submitting(laid, keys_of(seed, DISPATCHES), pause=0.05):
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
    async with submitting(laid, keys_of(seed, FEW), pause=0.2):
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
    async with submitting(laid, keys_of(seed, DISPATCHES), pause=0.03):
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
    async with submitting(laid, keys_of(seed, FEW), pause=0.2):
        await asyncio.sleep(laid.rng.uniform(0.2, 1.0))
        with _locked(laid.made.directory / "router" / "ledger.sqlite3"):
            await asyncio.sleep(20)
    await laid.settle()
    return {"stopped_s": 20}


async def broker_stopped(laid: Ground, seed: int) -> dict[str, object]:
    """The broker is stopped for 30 s at full intake; no submission may be refused meanwhile."""
    async with submitting(laid, keys_of(seed, DISPATCHES), pause=0.2):
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
    async with submitting(laid, keys_of(seed, FEW), pause=0.05):
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
    async with submitting(laid, keys_of(seed, FEW), pause=0.05):
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


async def two_gateways(laid: Ground, seed: int) -> dict[str, object]:
    """A second gateway is started for units that one works for already; later the first is stopped, and it takes over.

    With each seed the two have changed their places.
    """
    if len(laid.gateways) == len(HUBS):
        settings = {"gap_after": 2, "presence_interval": 5}
        laid.gateways.append(laid.made.gateway(f"{HUBS[0]}.#", name="gateway-second", **settings))
    works, second = laid.gateways[0], laid.gateways[-1]
    inbox = laid.made.directory / second.name / "inbox"
    before = len(list(inbox.glob("*/*/dispatch.json")))
    second.start()
    await asyncio.to_thread(laid.made.wait, lambda: _one_stands_by(laid), "the second has said hello and stands by")
    keys = keys_of(seed, FEW)
    await laid.submit(keys[: FEW // 2], pause=0.1)
    await laid.settle()
    assert len(list(inbox.glob("*/*/dispatch.json"))) == before, "the second handed over what is the first's"
    works.stop()
    await laid.submit(keys[FEW // 2 :])
    await laid.settle()
    laid.gateways[0], laid.gateways[-1] = second, works
    return {"by_the_second": len(list(inbox.glob("*/*/dispatch.json"))) - before}


def _one_stands_by(laid: Ground) -> bool:
    with laid.made.engine.connect() as connection:
        return len(second_spools(connection, now_ms=now_ms())) == 1


async def everything_twice(laid: Ground, seed: int) -> dict[str, object]:
    """Every delivery is published again and every receipt is sent twice."""
    with _receipts_doubled(laid) as doubled:
        await laid.submit(keys_of(seed, FEW))
        await laid.settle()
        with laid.made.engine.begin() as connection:
            again = connection.execute(update(delivery).values(next_due_at=now_ms())).rowcount
        await asyncio.to_thread(laid.made.wait, lambda: _nothing_due(laid), "all were published again")
        await asyncio.to_thread(laid.made.wait, lambda: doubled() > 0, "receipts were doubled")
    return {"published_again": again, "receipts_again": doubled()}


def _nothing_due(laid: Ground) -> bool:
    with laid.made.engine.connect() as connection:
        return not connection.execute(delivery.select().where(delivery.c.next_due_at.is_not(None)).limit(1)).all()


async def clocks_jump(laid: Ground, seed: int) -> dict[str, object]:
    """The clocks of router and gateways go wrong by a day or a year, either way, and are right in the end."""
    programs = [laid.router, *laid.gateways]
    clocks = {program.name: Clock(laid.made.directory / f"{program.name}.clock") for program in programs}
    jumps: list[str] = []
    # What a year ahead rightly does to a term of ninety days is no matter of this fault.
    await _restart(laid, {name: clock.environment for name, clock in clocks.items()}, expire_after=20 * _YEAR)
    async with submitting(laid, keys_of(seed, FEW), pause=0.3):
        for _ in range(_KILLS):
            name, seconds = laid.rng.choice(sorted(clocks)), laid.rng.choice((-1, 1)) * laid.rng.choice((_DAY, _YEAR))
            clocks[name].jump(seconds)
            jumps.append(f"{name} {seconds:+d} s")
            await asyncio.sleep(laid.rng.uniform(0.5, 1.5))
    for clock in clocks.values():
        clock.jump(0)
    await laid.settle()
    await _restart(laid, {})
    return {"jumps": jumps}


async def _restart(laid: Ground, clocks: Mapping[str, Mapping[str, str]], **settings: int) -> None:
    """All programs anew, each with a clock of its own or with the machine's; settings are the router's."""
    extra = {f"CONGVAN_{name.upper()}": str(value) for name, value in settings.items()}
    for program in (*laid.gateways, laid.router):
        await asyncio.to_thread(program.stop)
        for name in (*ENVIRONMENT, "CONGVAN_EXPIRE_AFTER"):
            program.environment.pop(name, None)
        program.environment |= clocks.get(program.name, {})
    laid.router.environment |= extra
    laid.router.start()
    await asyncio.to_thread(laid.made.wait_until_ready)
    for gateway in laid.gateways:
        gateway.start()


async def content_disk_full(laid: Ground, seed: int) -> dict[str, object]:
    """The content store's disk has only its reserve left: uploads get 507, nothing half-written stays, and it heals."""
    store = laid.made.directory / "router" / "content"
    await laid.submit(keys_of(seed, FEW)[:3])
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
    await laid.submit(keys_of(seed, FEW)[3:])
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


async def bits_rot(laid: Ground, seed: int) -> dict[str, object]:
    """The content store's disk flips bits under documents that travel; upstream sends the same submissions once more.

    The router learns of it from the units, who got other bytes: it serves them no more, and parks nobody for it.
    """
    store = laid.made.directory / "router" / "content"
    for gateway in laid.gateways:
        gateway.kill()
    before = set(store.glob(_STORED))
    await laid.submit(keys_of(seed, FEW))
    rotten = _rot(laid, set(store.glob(_STORED)) - before)
    for gateway in laid.gateways:
        gateway.start()
    await asyncio.to_thread(laid.made.wait, lambda: _damaged(store) == rotten, "the units' doubts were looked into")
    if laid.rng.random() < 0.5:
        laid.router.kill()
        laid.router.start()
        await asyncio.to_thread(laid.made.wait_until_ready)
    told = await asyncio.to_thread(_verified, laid)
    assert {item["sha256"] for item in told} == rotten, told
    assert all(item["dispatches"][0]["waiting"] for item in told), "it says who waits"
    assert laid.made.states().get("parked", 0) == 0, "no unit's own system is to blame"
    await laid.submit(keys_of(seed, FEW))
    await laid.settle()
    assert _damaged(store) == set()
    assert await asyncio.to_thread(_verified, laid) == []
    return {"rotten": len(rotten)}


def _rot(laid: Ground, files: set[Path]) -> set[str]:
    """Flip a byte of each, contents and the forms that they might be mended from; the contents' names."""
    for path in sorted(files):
        rot(path, at=laid.rng.randrange(path.stat().st_size))
    return {path.name.partition(".")[0] for path in files}


def _damaged(store: Path) -> set[str]:
    return {path.name for path in store.glob("damaged/*")}


def _verified(laid: Ground) -> list[dict[str, Any]]:
    """What ``congvan content verify`` tells, which ends with 1 when something is damaged."""
    command = [*CONGVAN, "content", "verify", "--json"]
    ended = subprocess.run(command, env=laid.router.environment, capture_output=True, check=False)
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.returncode == (1 if told else 0), ended.stderr
    return told


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
        older_ledger_restored,
        two_gateways,
        everything_twice,
        clocks_jump,
        poison_among_good,
        content_disk_full,
        bits_rot,
        deleted_topology,
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
WIPED = {broker_wiped.__name__, peoples_receipts_wiped.__name__}
"""The faults that wipe the broker: only the node's own vhost is there again afterwards."""


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
def _receipts_doubled(laid: Ground) -> Iterator[Callable[[], int]]:
    """A process that sends a second copy of every receipt, as the account that sent the first."""
    with administrator(laid.made.vhost).channel() as channel:
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
