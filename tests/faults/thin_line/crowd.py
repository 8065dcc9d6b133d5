"""105 gateways at once: every commune of the example with a dial-up line, each with ppp's hooks, a spool and a session.

``python -m tests.faults.thin_line --crowd``. The gateways live in this one process; broker and router in their own.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from consumers.gateway import Gateway
from consumers.line.hook import FILE_NAME, tell
from consumers.settings import GatewaySettings
from faults.thin_line.ground import PATIENT
from rig.profiles import PROFILES
from rig.proxy import Proxy
from rig.wire import Wire
from router.broker.node import PrivateNode
from schemas.accounts import Role
from schemas.states import Status
from schemas.unit import Link
from support.broker import empty_vhost
from support.conditions import holds
from support.installation import Installation, Program, installation
from support.organisation import lao_cai_units
from support.uploads import submit

ROUNDS = 6
SIZE = 20_000
SCALE = 15.0
WITHIN = 420.0


@dataclass(frozen=True, slots=True)
class Crowd:
    """What was found: gateways, deliveries, how many arrived, drops of all lines, the router's memory in bytes."""

    gateways: int
    deliveries: int
    arrived: int
    drops: int
    memory: list[int]

    @property
    def growth(self) -> float:
        """The router's memory at the end as a share of that after the first third."""
        return self.memory[-1] / self.memory[len(self.memory) // 3]

    @property
    def clean(self) -> bool:
        """All arrived, and the router's memory is flat."""
        return self.arrived == self.deliveries > 0 and self.growth < 1.25


def crowd(directory: Path, node: PrivateNode) -> Crowd:
    """The whole run."""
    units = lao_cai_units()
    codes = [unit.code for unit in units if unit.link is Link.DIALUP]
    with empty_vhost(node) as vhost, installation(directory, vhost, units) as made:
        for code in codes:
            made.account(Role.GATEWAY, code)
        made.account(Role.ISSUER, "LCA.#")
        router = made.router(**PATIENT)
        router.start()
        made.wait_until_ready()
        return asyncio.run(_run(made, router, codes))


async def _run(made: Installation, router: Program, codes: list[str]) -> Crowd:
    memory: list[int] = []
    async with contextlib.AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(_gateway(made, code, seed)) for seed, code in enumerate(codes)]
        await asyncio.to_thread(made.wait_until_seen, codes)
        for number in range(1, ROUNDS + 1):
            await asyncio.to_thread(submit, made, "LCA.#{commune}", f"crowd-{number}", bytes([number]) * SIZE)
            expected = number * len(codes)
            await holds(lambda: _arrived(made) >= expected, within=WITHIN, what=f"{expected} arrived")  # noqa: B023 - awaited here
            memory.append(psutil.Process(router.pid).memory_info().rss)
    drops = sum(wire.drops for wire in wires)
    return Crowd(len(codes), ROUNDS * len(codes), _arrived(made), drops, memory)


def _arrived(made: Installation) -> int:
    return made.states().get(Status.ARRIVED.value, 0)


@contextlib.asynccontextmanager
async def _gateway(made: Installation, code: str, seed: int) -> AsyncIterator[Wire]:
    """One unit's gateway behind its own line."""
    wire = Wire(PROFILES["A"].faster(SCALE), seed)
    async with Proxy(made.api, wire) as http, Proxy(made.vhost.amqp_url, wire) as amqp:
        settings = GatewaySettings(
            data_dir=made.directory / "crowd" / code,
            units=code,
            token=made.account(Role.GATEWAY, code),
            amqp_url=amqp.url,
            origin_url=http.url,
            sink="none",
            no_progress_timeout=3.0,
        )
        gateway = Gateway(settings)
        tasks = [asyncio.create_task(gateway.run()), asyncio.create_task(wire.follow_schedule())]
        try:
            # One after the other: the spools' migrations cannot run in two threads of one process.
            await holds(lambda: (settings.data_dir / FILE_NAME).exists() or tasks[0].done(), within=60)
            wire.on_change = lambda up: tell(settings.data_dir, up=up)
            yield wire
        finally:
            tasks[1].cancel()
            wire.on_change = lambda _: None
            wire.switch(up=True)
            gateway.stop()
            await asyncio.wait_for(tasks[0], 60)
