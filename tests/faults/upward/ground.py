"""What sending is tried on: a router that can be killed, a gateway behind a line that drops; and the count."""

import asyncio
import contextlib
import hashlib
import random
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import func, select

from rig.profiles import PROFILES
from rig.proxy import PORTALS, Proxy
from rig.wire import Wire
from router.ledger.engine import reading
from router.ledger.models import delivery, dispatch, dispatch_attachment
from schemas.accounts import Role
from schemas.states import Status
from schemas.unit import Link
from support.broker import Vhost
from support.conditions import holds
from support.installation import Installation, Program, installation
from support.ledgers import unit
from support.outboxes import put_out
from support.uploads import submit

UNIT = "LCA.01"
DOCUMENTS = 25
DOWN = 6
"""Documents that come while the others go, so that the two directions meet."""
SCALE = 100.0
SIZES = (0, 0, 500, 12_000, 60_000, 250_000)
SETTLE_WITHIN = 240.0
FAULTS = 6


@dataclass(slots=True)
class Count:
    """What was found at the end of one run."""

    seed: int
    documents: int = 0
    lost: int = 0
    twice: int = 0
    wrong: int = 0
    rejected: int = 0
    seconds: float = 0.0
    notes: dict[str, object] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Every document accepted once, and every byte of it right."""
        return self.documents > 0 and not (self.lost or self.twice or self.wrong or self.rejected)


@dataclass(slots=True)
class Ground:
    """One installation; every run has a line and a gateway directory of its own."""

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
    home: Path
    put: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Folder name, which is the subject too → its files."""

    @property
    def outbox(self) -> Path:
        """Where people put documents."""
        return self.home / "outbox"

    async def put_all(self) -> None:
        """Put the documents there, a few at a time; some have a file that another has, too."""
        shared = self.rng.randbytes(40_000)
        for number in range(DOCUMENTS):
            name = f"seed{self.seed}-{number}"
            files = {f"{name}.bin": random.Random(name).randbytes(size)} if (size := self.rng.choice(SIZES)) else {}
            if number % 7 == 0:
                files["shared.bin"] = shared
            self.put[name] = files
            urgency = self.rng.choice((0, 0, 1, 2))
            put_out(self.outbox, name, files, subject=name, addressees=["LCA"], urgency=urgency)
            await asyncio.sleep(self.rng.uniform(0, 0.3))

    async def send_down(self) -> None:
        """Have documents come the other way."""
        for number in range(DOWN):
            content = random.Random(f"{self.seed} down {number}").randbytes(100_000)
            with contextlib.suppress(OSError):  # the router is being killed
                await asyncio.to_thread(submit, self.ground.made, UNIT, f"down{self.seed}-{number}", content)
            await asyncio.sleep(self.rng.uniform(0, 1.0))

    async def settle(self) -> None:
        """Until every folder is filed, and what came down has arrived."""
        await holds(lambda: self._filed() >= DOCUMENTS, within=SETTLE_WITHIN, what=self.explain())
        await holds(lambda: self._still_coming() == 0, within=SETTLE_WITHIN, what=self.explain())

    def _filed(self) -> int:
        return sum(1 for kind in ("sent", "rejected") for _ in (self.outbox / kind).glob(f"seed{self.seed}-*"))

    def _still_coming(self) -> int:
        query = (
            select(func.count())
            .select_from(delivery.join(dispatch, dispatch.c.id == delivery.c.dispatch_id))
            .where(dispatch.c.subject.like(f"down{self.seed}-%"), delivery.c.state != Status.ARRIVED.value)
        )
        with reading(self.ground.made.engine) as conn:
            return conn.scalar(query) or 0

    def count(self) -> Count:
        """Compare what was put there, what the ledger has and what lies in the content store."""
        mine = select(dispatch.c.subject, dispatch.c.id).where(dispatch.c.subject.like(f"seed{self.seed}-%"))
        with reading(self.ground.made.engine) as conn:
            rows = conn.execute(mine).all()
            files = {row.id: self._files(conn, row.id) for row in rows}
        accepted = Counter(row.subject for row in rows)
        told = {name: self._told(name) for name in self.put}
        found = Count(self.seed, documents=len(self.put))
        found.lost = sum(told[name] not in {row.id for row in rows if row.subject == name} for name in self.put)
        found.twice = sum(times - 1 for times in accepted.values())
        found.wrong = sum(files[row.id] != self._expected(row.subject) for row in rows)
        found.rejected = len(list((self.outbox / "rejected").iterdir()))
        return found

    def explain(self) -> str:
        """What the gateway printed last."""
        return f"{DOCUMENTS} sent by the gateway of seed {self.seed}; its log ends\n{self.gateway.tail()}"

    def _told(self, name: str) -> str:
        path = self.outbox / "sent" / name / "accepted.json"
        return str(orjson.loads(path.read_bytes())["id"]) if path.exists() else ""

    def _files(self, conn: Any, dispatch_id: str) -> dict[str, str]:
        """Name → SHA-256 of the bytes that the router has."""
        query = select(dispatch_attachment.c.name, dispatch_attachment.c.sha256).where(
            dispatch_attachment.c.dispatch_id == dispatch_id, dispatch_attachment.c.position >= 0
        )
        root = self.ground.made.directory / "router" / "content"
        return {
            row.name: hashlib.sha256((root / row.sha256[:2] / row.sha256[2:4] / row.sha256).read_bytes()).hexdigest()
            for row in conn.execute(query)
        }

    def _expected(self, name: str) -> dict[str, str]:
        return {file: hashlib.sha256(data).hexdigest() for file, data in self.put[name].items()}


async def run(laid: Ground, seed: int) -> Count:
    """One seed: documents, the line's own drops, the faults, from the first folder to the count."""
    began = time.monotonic()
    async with a_run(laid, seed) as made:
        dropping = asyncio.create_task(made.wire.follow_schedule())
        names = [made.rng.choice(list(DRAWN)) for _ in range(FAULTS)]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(made.put_all())
            tasks.create_task(made.send_down())
            for name in names:
                await asyncio.sleep(made.rng.uniform(0.3, 1.5))
                await DRAWN[name](made)
        await asyncio.sleep(made.rng.uniform(0.5, 2.0))
        dropping.cancel()
        made.wire.switch(up=True)
        await made.settle()
        count = made.count()
    count.seconds = round(time.monotonic() - began, 1)
    count.notes = {"faults": names, "drops": made.wire.drops, "carried": made.http.carried}
    return count


async def killed_gateway(made: Run) -> None:
    """kill -9, and its supervisor starts it again."""
    await asyncio.to_thread(made.gateway.kill)
    await asyncio.sleep(made.rng.uniform(0, 0.5))
    made.gateway.start()


async def killed_router(made: Run) -> None:
    """kill -9, and its supervisor starts it again."""
    await asyncio.to_thread(made.ground.router.kill)
    await asyncio.sleep(made.rng.uniform(0, 0.5))
    made.ground.router.start()


async def black_hole(made: Run) -> None:
    """For a moment bytes vanish on the way up, and the connections of that time stay dead."""
    made.http.black_hole()
    await asyncio.sleep(made.rng.uniform(0.1, 0.5))
    made.http.heal()


async def portal(made: Run) -> None:
    """For a moment a captive portal answers for the router; the broker cannot be reached through it."""
    made.http.portal(made.rng.choice(PORTALS))
    made.amqp.refuse()
    made.amqp.cut()
    await asyncio.sleep(made.rng.uniform(0.3, 1.5))
    made.http.portal()
    made.amqp.refuse(refuse=False)


async def reset(made: Run) -> None:
    """All connections are reset."""
    made.http.cut()
    made.amqp.cut()


DRAWN: dict[str, Callable[[Run], Awaitable[None]]] = {
    fault.__name__: fault for fault in (killed_gateway, killed_router, black_hole, portal, reset)
}


@contextlib.contextmanager
def ground(directory: Path, vhost: Vhost) -> Iterator[Ground]:
    """A router for any number of runs."""
    with installation(directory, vhost, [unit("LCA"), unit(UNIT, Link.DIALUP)]) as made:
        for role, pattern in ((Role.ISSUER, "LCA.#"), (Role.GATEWAY, UNIT)):
            made.account(role, pattern)
        router = made.router(silence_dialup=12, silence_max=24, relay_lease=5, confirm_timeout=4)
        router.start()
        made.wait_until_ready()
        yield Ground(made, router)


@contextlib.asynccontextmanager
async def a_run(laid: Ground, seed: int) -> AsyncIterator[Run]:
    """A line and a gateway on it."""
    home = laid.made.directory / f"run-{seed}"
    wire = Wire(PROFILES["A"].faster(SCALE), seed)
    async with Proxy(laid.made.api, wire) as http, Proxy(laid.made.vhost.amqp_url, wire) as amqp:
        gateway = laid.made.gateway(
            UNIT,
            name=f"run-{seed}",
            data_dir=home / "gateway",
            inbox_dir=home / "inbox",
            outbox_dir=home / "outbox",
            amqp_url=amqp.url,
            origin_url=http.url,
            no_progress_timeout=1.0,
            gap_after=3,
        )
        home.mkdir()
        gateway.start()
        try:
            yield Run(laid, seed, random.Random(f"{seed} upward"), wire, http, amqp, gateway, home)
        finally:
            gateway.kill()
            laid.made.programs.remove(gateway)
            shutil.rmtree(home)
