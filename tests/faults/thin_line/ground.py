"""What the thin line's faults are tried on: broker, router, a gateway behind a proxied line; and the count."""

import asyncio
import contextlib
import hashlib
import json
import random
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import func, select, update

from consumers.line.hook import FILE_NAME, tell
from rig.clock import Clock
from rig.profiles import PROFILES
from rig.proxy import Proxy
from rig.wire import Wire
from router.broker.node import PrivateNode
from router.ledger.engine import reading
from router.ledger.models import delivery, receipt
from schemas.accounts import Role
from schemas.clock import now_ms
from schemas.dispatch import Submission
from schemas.states import Status
from schemas.unit import Link
from support.broker import empty_vhost
from support.conditions import holds
from support.installation import Installation, Program, installation
from support.ledgers import unit

UNIT = "LCA.01"
DOCUMENTS = 50
SCALE = 100.0
"""A line of 33.6 kbit/s becomes one of 3.4 Mbit/s, two minutes become a second."""
SETTLE_WITHIN = 240.0
SIZES = (0, 0, 500, 3_000, 12_000, 40_000, 120_000)
"""Bytes of an attachment: none, inside the descriptor, fetched."""
PATIENT: dict[str, Any] = {
    "silence_dialup": 12,
    "silence_lan": 12,
    "silence_max": 24,
    "relay_lease": 5,
    "confirm_timeout": 4,
}
ACCEPTED = 202


@dataclass(slots=True)
class Count:
    """What was found at the end of one run."""

    seed: int
    documents: int = 0
    lost: int = 0
    twice: int = 0
    wrong: int = 0
    attempts: int = 0
    """Tries beyond the first that were counted; a line's drop must not be one."""
    parked: int = 0
    seconds: float = 0.0
    notes: dict[str, object] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Every document once, whole, at its first try."""
        return self.documents > 0 and not (self.lost or self.twice or self.wrong or self.attempts or self.parked)


@dataclass(slots=True)
class Ground:
    """One installation; every run has a line, a gateway directory and an inbox of its own."""

    node: PrivateNode
    made: Installation
    router: Program


@dataclass(slots=True)
class Run:
    """One seed's line and gateway."""

    ground: Ground
    seed: int
    rng: random.Random
    wire: Wire
    http: Proxy
    amqp: Proxy
    gateway: Program
    clock: Clock
    home: Path
    accepted: dict[str, str] = field(default_factory=dict)
    """Subject → dispatch id."""

    async def submit(self) -> None:
        """Hand in the documents, a few at a time."""
        token = self.ground.made.account(Role.ISSUER, "LCA.#")
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
            for number in range(DOCUMENTS):
                await self._submit(http, f"seed{self.seed}-{number}")
                await asyncio.sleep(self.rng.uniform(0, 0.1))

    async def send_again(self) -> int:
        """Have every delivery of this run published once more; how many."""
        mine = delivery.c.dispatch_id.in_(list(self.accepted.values()))
        with self.ground.made.engine.begin() as connection:
            return connection.execute(update(delivery).where(mine).values(next_due_at=now_ms())).rowcount

    async def settle(self) -> None:
        """Until all have arrived, as the ledger has it."""
        await holds(lambda: self.arrived() == DOCUMENTS, within=SETTLE_WITHIN, what=self._explain())

    def arrived(self) -> int:
        """Deliveries of this run that have arrived."""
        mine = delivery.c.dispatch_id.in_(list(self.accepted.values()))
        counted = select(func.count()).select_from(delivery).where(mine, delivery.c.state == Status.ARRIVED.value)
        with reading(self.ground.made.engine) as connection:
            return connection.scalar(counted) or 0

    def count(self) -> Count:
        """Compare what was accepted, what the ledger says and what lies in the inbox."""
        mine = delivery.c.dispatch_id.in_(list(self.accepted.values()))
        told = select(receipt.c.delivery_id, receipt.c.status, receipt.c.attempts).join(
            delivery, delivery.c.id == receipt.c.delivery_id
        )
        with reading(self.ground.made.engine) as connection:
            rows = connection.execute(told.where(mine, receipt.c.effect == "advance")).all()
        arrived = Counter(row.delivery_id for row in rows if row.status == Status.ARRIVED)
        inbox, wrong = _read(self.home / "inbox")
        return Count(
            seed=self.seed,
            documents=len(self.accepted),
            lost=len(self.accepted) - len(set(inbox) & set(arrived)),
            twice=sum(inbox.values()) - len(inbox) + sum(arrived.values()) - len(arrived),
            wrong=wrong,
            attempts=sum((row.attempts or 1) - 1 for row in rows if row.status == Status.ARRIVED),
            parked=sum(row.status == Status.PARKED for row in rows),
        )

    def _explain(self) -> str:
        return f"{DOCUMENTS} arrived at the gateway of seed {self.seed}; its log ends\n{self.gateway.tail()}"

    async def _submit(self, http: aiohttp.ClientSession, subject: str) -> None:
        letter = Submission(
            notation="1-CV/TU", subject=subject, issuer="LCA", addressees=(UNIT,), urgency=self.rng.choice((0, 0, 1, 3))
        )
        form = aiohttp.FormData()
        form.add_field("dispatch", letter.model_dump_json(exclude_defaults=True), content_type="application/json")
        if size := self.rng.choice(SIZES):
            content = random.Random(subject).randbytes(size)
            form.add_field("file", content, filename="scan.bin", content_type="application/octet-stream")
        url, key = f"{self.ground.made.api}/api/v1/dispatches", {"Idempotency-Key": subject}
        async with http.post(url, data=form, headers=key) as answer:
            assert answer.status == ACCEPTED, await answer.text()
            self.accepted[subject] = (await answer.json())["id"]


def _read(root: Path) -> tuple[Counter[str], int]:
    """How often each delivery lies in the inbox, and how many files are not what they should be."""
    found: Counter[str] = Counter()
    wrong = 0
    for record in root.glob("*/*/dispatch.json"):
        if record.parent.name.startswith("."):
            continue
        content = json.loads(record.read_text("utf-8"))
        found[content["delivery_id"]] += 1
        for file in content.get("attachments", ()):
            wrong += hashlib.sha256((record.parent / file["name"]).read_bytes()).hexdigest() != file["sha256"]
    return found, wrong


@contextlib.contextmanager
def ground(directory: Path, node: PrivateNode) -> Iterator[Ground]:
    """Broker and router for any number of runs."""
    organisation = [unit("LCA"), unit(UNIT, Link.DIALUP)]
    with empty_vhost(node) as vhost, installation(directory, vhost, organisation) as made:
        for role, pattern in ((Role.ISSUER, "LCA.#"), (Role.GATEWAY, UNIT)):
            made.account(role, pattern)
        router = made.router(**PATIENT)
        router.start()
        made.wait_until_ready()
        yield Ground(node, made, router)


@contextlib.asynccontextmanager
async def a_run(laid: Ground, seed: int) -> AsyncIterator[Run]:
    """A line and a gateway on it; half of the seeds have hooks that tell the gateway of the line."""
    rng = random.Random(f"{seed} thin line")
    home = laid.made.directory / f"run-{seed}"
    data = home / "gateway"
    hooked = bool(seed % 2)
    wire = Wire(PROFILES["A"].faster(SCALE), seed)
    async with Proxy(laid.made.api, wire) as http, Proxy(laid.made.vhost.amqp_url, wire) as amqp:
        gateway = laid.made.gateway(
            UNIT,
            name=f"run-{seed}",
            data_dir=data,
            inbox_dir=home / "inbox",
            amqp_url=amqp.url,
            origin_url=http.url,
            no_progress_timeout=1.0,
            gap_after=3,
            presence_interval=5,  # the gateway of the last run, of the same unit, is taken to be gone after 15 s
        )
        if hooked:
            wire.on_change = lambda up: _hook(data, up=up)
        home.mkdir()
        clock = Clock(home / "clock")
        gateway.environment |= clock.environment
        gateway.start()
        try:
            yield Run(laid, seed, rng, wire, http, amqp, gateway, clock, home)
        finally:
            gateway.kill()
            laid.made.programs.remove(gateway)
            shutil.rmtree(home)


def _hook(data: Path, *, up: bool) -> None:
    with contextlib.suppress(Exception):  # a hook knows nothing of a gateway that is not there
        if (data / FILE_NAME).exists():
            tell(data, up=up)
