"""What every fault is tried on: a broker that can be hurt, a router, gateways, upstream; and the count at the end."""

import asyncio
import contextlib
import hashlib
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import func, make_url, select
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random

from router.broker.node import PrivateNode
from router.ledger.engine import reading
from router.ledger.models import delivery, receipt
from schemas.accounts import Role
from schemas.dispatch import Submission
from schemas.states import UNDELIVERED, Status
from schemas.unit import Unit
from support.broker import empty_vhost
from support.installation import Installation, Program, installation
from support.ledgers import unit
from support.postgres import PrivatePostgres, fresh_database
from support.standby import Bouncer, Pair

HUBS = ("LCA.01", "LCA.02")
PER_HUB = 10
DISPATCHES = 100
"""To 20 units each: 2,000 deliveries."""
FEW = DISPATCHES // 5
ACCEPTED = 202
SETTLE_WITHIN = 240.0
FAST: dict[str, Any] = {
    "silence_lan": 6,
    "silence_max": 12,
    "relay_lease": 5,
    "confirm_timeout": 4,
    "receipts_grace": 2,
    "topology_interval": 2,
}
"""What takes minutes in the field takes seconds here; nothing else differs."""
AT_THE_UNIT = {Status.ARRIVED, Status.REGISTERED}


class NotAcceptedError(Exception):
    """A submission was answered with something else than 202; upstream tries again with the same key."""


@dataclass(slots=True)
class Count:
    """What was found at the end of one fault."""

    fault: str
    seed: int
    submitted: int = 0
    refused: int = 0
    deliveries: int = 0
    arrived: int = 0
    waiting: int = 0
    lost: int = 0
    twice: int = 0
    wrong: int = 0
    disagreeing: int = 0
    notes: dict[str, object] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing twice, no wrong byte, ledger and inboxes agree."""
        return not (self.lost or self.twice or self.wrong or self.disagreeing) and self.deliveries > 0


@dataclass(slots=True)
class Ground:
    """One installation and its broker."""

    node: PrivateNode
    made: Installation
    router: Program
    gateways: list[Program]
    database: "Database"
    """What the ledger lies in."""
    rng: random.Random = field(default_factory=random.Random)
    """The seed's."""
    accepted: dict[str, str] = field(default_factory=dict)
    """Idempotency key → dispatch id."""
    refusals: int = 0

    @property
    def inboxes(self) -> list[Path]:
        """Where the folder sinks write."""
        return [self.made.directory / program.name / "inbox" for program in self.gateways]

    async def submit(self, keys: list[str], *, pause: float = 0.0) -> None:
        """Hand in one dispatch per key to all units, each again and again until it is accepted."""
        token = self.made.account(Role.ISSUER, "LCA.#")
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(40)) as http:
            for key in keys:
                self.accepted[key] = await self._submit_until_accepted(http, key)
                await asyncio.sleep(pause)

    async def _submit_until_accepted(self, http: aiohttp.ClientSession, key: str) -> str:
        passing = (aiohttp.ClientError, TimeoutError, NotAcceptedError)
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(passing),
            wait=wait_random(0.05, 0.3),
            stop=stop_after_delay(120),
            reraise=True,
        ):
            with attempt:
                return await self._submit(http, key)
        raise AssertionError("unreachable")

    async def _submit(self, http: aiohttp.ClientSession, key: str) -> str:
        """One try; every third dispatch carries a file of its own."""
        letter = Submission(notation="1-CV/TU", subject=key, issuer="LCA", addressees=("LCA.01.*", "LCA.02.*"))
        form = aiohttp.FormData()
        form.add_field("dispatch", letter.model_dump_json(exclude_defaults=True), content_type="application/json")
        if int(key.rpartition("-")[2]) % 3 == 0:
            content = random.Random(key).randbytes(20_000)
            form.add_field("file", content, filename=f"{key}.bin", content_type="application/octet-stream")
        async with http.post(
            f"{self.made.api}/api/v1/dispatches", data=form, headers={"Idempotency-Key": key}
        ) as answer:
            if answer.status != ACCEPTED:
                self.refusals += 1
                raise NotAcceptedError(f"{answer.status} {await answer.text()}")
            return str((await answer.json())["id"])

    async def settle(self, within: float = SETTLE_WITHIN) -> None:
        """Until everything that was accepted has arrived."""
        expected = len(self.accepted) * len(HUBS) * PER_HUB

        def is_settled() -> bool:
            states = self.made.states()
            return sum(states.get(state.value, 0) for state in AT_THE_UNIT) >= expected

        await asyncio.to_thread(self.made.wait, is_settled, f"{expected} arrived", within)

    def count(self, fault: str, seed: int) -> Count:
        """Compare what was accepted, what the ledger says and what lies in the inboxes."""
        found = Count(fault, seed, submitted=len(self.accepted), refused=self.refusals)
        with reading(self.made.engine) as connection:
            states: dict[str, str] = dict(connection.execute(select(delivery.c.id, delivery.c.state)).all())
            arrivals = select(receipt.c.delivery_id).where(receipt.c.status == "arrived", receipt.c.effect == "advance")
            advanced = Counter(connection.scalars(arrivals))
            total = connection.scalar(select(func.count()).select_from(delivery)) or 0
        inbox, wrong = _read_inboxes(self.inboxes)
        found.deliveries = total
        found.arrived = sum(state in AT_THE_UNIT for state in states.values())
        found.waiting = sum(state in UNDELIVERED for state in states.values())
        found.lost = len(self.accepted) * len(HUBS) * PER_HUB - found.arrived
        found.twice = sum(times - 1 for times in inbox.values()) + sum(times - 1 for times in advanced.values())
        found.wrong = wrong
        found.disagreeing = len({key for key, state in states.items() if state in AT_THE_UNIT} ^ set(inbox))
        return found


def _read_inboxes(roots: list[Path]) -> tuple[Counter[str], int]:
    """How often each delivery lies in the inboxes, and how many files are not what they should be."""
    found: Counter[str] = Counter()
    wrong = 0
    for root in roots:
        for record in root.glob("*/*/dispatch.json"):
            if record.parent.name.startswith("."):
                continue
            content = json.loads(record.read_text("utf-8"))
            found[content["delivery_id"]] += 1
            for file in content.get("attachments", ()):
                data = (record.parent / file["name"]).read_bytes()
                wrong += hashlib.sha256(data).hexdigest() != file["sha256"]
    return found, wrong


def organisation() -> list[Unit]:
    """A root, two hubs, ten units below each."""
    codes = ["LCA", *HUBS, *(f"{hub}.{number:02d}" for hub in HUBS for number in range(1, PER_HUB + 1))]
    return [unit(code) for code in codes]


class Kind(StrEnum):
    """What the ledger of a ground lies in."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"
    REPLICATED = "replicated"
    POOLED = "pooled"


@dataclass(slots=True)
class Database:
    """The ledger's servers, as far as there are any."""

    url: str = ""
    server: PrivatePostgres | None = None
    pair: Pair | None = None
    bouncer: Bouncer | None = None


@contextlib.contextmanager
def ground(directory: Path, node: PrivateNode, *, kind: Kind = Kind.SQLITE) -> Iterator[Ground]:
    """A running installation on an empty vhost of the node."""
    with (
        empty_vhost(node) as vhost,
        _database(kind) as database,
        installation(directory, vhost, organisation(), ledger_url=database.url) as made,
    ):
        made.account(Role.ISSUER, "LCA.#")
        gateways = [made.gateway(f"{hub}.#", name=f"gateway-{hub}", gap_after=2, presence_interval=5) for hub in HUBS]
        laid = Ground(node, made, made.router(**FAST), gateways, database)
        laid.router.start()
        made.wait_until_ready()
        for gateway in gateways:
            gateway.start()
        made.wait_until_seen(f"{hub}.{number:02d}" for hub in HUBS for number in range(1, PER_HUB + 1))
        yield laid


@contextlib.contextmanager
def _database(kind: Kind) -> Iterator[Database]:
    match kind:
        case Kind.SQLITE:
            yield Database()
        case Kind.REPLICATED:
            with _pair() as pair:
                yield Database(pair.url("postgres"), pair=pair)
        case _:
            with _server() as server, fresh_database(server.url) as url, _pooled(server, kind) as bouncer:
                behind = bouncer.url(str(make_url(url).database)) if bouncer is not None else url
                yield Database(behind, server, bouncer=bouncer)


@contextlib.contextmanager
def _server() -> Iterator[PrivatePostgres]:
    server = PrivatePostgres()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@contextlib.contextmanager
def _pair() -> Iterator[Pair]:
    pair = Pair()
    try:
        pair.start()
        yield pair
    finally:
        pair.remove()


@contextlib.contextmanager
def _pooled(server: PrivatePostgres, kind: Kind) -> Iterator[Bouncer | None]:
    if kind is not Kind.POOLED:
        yield None
        return
    bouncer = Bouncer(server)
    bouncer.start()
    try:
        yield bouncer
    finally:
        bouncer.stop()


def keys_of(seed: int, count: int) -> list[str]:
    """The idempotency keys of so many dispatches."""
    return [f"seed{seed}-{number}" for number in range(count)]


@contextlib.asynccontextmanager
async def submitting(laid: Ground, keys: list[str], *, pause: float = 0.0) -> AsyncIterator[None]:
    """Upstream hands in dispatches while the block runs; it is left when all are accepted."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(laid.submit(keys, pause=pause))
        yield
