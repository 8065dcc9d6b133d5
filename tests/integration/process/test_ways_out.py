"""A process one part of which failed ends, soon, with a code that says so and a line that says why."""

import asyncio
import contextlib
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from consumers.gateway import Gateway
from consumers.settings import GatewaySettings
from router.process.parts import PartFailedError, Start, Tended
from router.service import RouterService
from router.settings import RouterSettings
from schemas.events import Event
from support.all_in_one import UpProcess, gone
from support.broker import Vhost
from support.conditions import holds
from support.failing_part import INJECTED, THREAD, InjectedError, starting
from support.installation import Installation, Program, installation
from support.ledgers import unit

TESTS = Path(__file__).parents[2]
ROUTER_PARTS = [
    "recorded",
    "keeper",
    "withdrawals",
    "organisation",
    "asker",
    "recounting",
    "alignment",
    "line watch",
    "deadlines",
    "outage retention",
    "expiry",
    "care",
    "certificates",
    "upload expiry",
    "redriver",
    "scrub",
    "retention",
    "checkpoints",
    "look aside",
    "yielding",
]
GATEWAY_PARTS = [
    "hosting",
    "express reporter",
    "normal reporter",
    "watch",
    "outages",
    "openings",
    "greetings",
    "gaps",
    "upward",
    "copies",
    "daily copy",
    "inquirer",
    "certificate",
    "naming",
    "log watch",
    "room",
    "damage",
    "pruning",
    "recounting",
    "status",
]
"""Those that fail inside this process."""
ROUTER_PROCESS, GATEWAY_PROCESS = ("web API", "relay"), ("courier",)
"""Those that fail in a process of its own, which has to end."""
Failed = Callable[[Program, str], tuple[asyncio.Event, set[str]]]
WITHIN = 40.0
"""Seconds: more than any stop takes on a busy machine, less than the cut-off."""


@pytest.fixture
def made(tmp_path: Path, vhost: Vhost) -> Iterator[Installation]:
    with installation(tmp_path, vhost, [unit("LCA"), unit("LCA.01")]) as laid:
        yield laid


def failing(program: Program, part: str, directory: Path) -> Path:
    """Have a part of the program fail when the file appears that is returned."""
    file = directory / "fail-now"
    program.command = [sys.executable, "-m", "support.failing_part", str(file), part, *program.command[3:]]
    program.environment["PYTHONPATH"] = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    return file


def ended(program: Program) -> int:
    assert program.process is not None
    try:
        return program.process.wait(WITHIN)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{program.name} has not ended:\n{program.tail()}") from None


@pytest.mark.parametrize("part", [*ROUTER_PROCESS, THREAD])
def test_a_router_with_a_failed_part_ends(part: str, made: Installation, tmp_path: Path) -> None:
    router = made.router()
    file = failing(router, part, tmp_path)
    router.start()
    if part == "web API":  # without it the router does not get ready
        made.wait(lambda: "router_ready" in router.tail(100), "the router runs")
    else:
        made.wait_until_ready()
        keep_a_worker_idle(made.api)
    file.touch()
    assert ended(router) == 1
    assert Event.PART_FAILED in router.tail(200)
    assert INJECTED in router.tail(200)
    if part == THREAD:
        assert Event.PROCESS_CUT_OFF in router.tail(200)


def keep_a_worker_idle(api: str) -> None:
    """Have the API use a thread of its pool, which stays."""
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{api}/metrics", timeout=10) as answer:  # noqa: S310 - http, ours
        answer.read()


@pytest.mark.parametrize("part", [*GATEWAY_PROCESS, THREAD])
def test_a_gateway_with_a_failed_part_ends(part: str, made: Installation, tmp_path: Path) -> None:
    gateway = made.gateway("LCA.01")
    file = failing(gateway, part, tmp_path)
    gateway.start()
    made.wait(lambda: "gateway_started" in gateway.tail(100), "the gateway runs")
    file.touch()
    assert ended(gateway) == 1
    assert Event.PART_FAILED in gateway.tail(200)
    assert INJECTED in gateway.tail(200)
    if part == THREAD:
        assert Event.PROCESS_CUT_OFF in gateway.tail(200)


@pytest.fixture
def failed(monkeypatch: pytest.MonkeyPatch) -> Failed:
    """Has this process be what a program would be; gives the event at which a part fails, and the parts begun."""

    def arranged(program: Program, part: str) -> tuple[asyncio.Event, set[str]]:
        now, begun = asyncio.Event(), set[str]()

        async def fail() -> None:
            await now.wait()
            raise InjectedError(INJECTED)

        start = starting({part}, fail)

        def noted(self: Tended, name: str, begin: Start) -> asyncio.Task[None]:
            begun.add(name)
            return start(self, name, begin)

        monkeypatch.setattr(Tended, "start", noted)
        for name, value in program.environment.items():
            monkeypatch.setenv(name, value)
        return now, begun

    return arranged


@pytest.mark.parametrize("part", ROUTER_PARTS)
async def test_each_part_of_a_router_ends_all_of_it_when_it_fails(
    part: str, made: Installation, failed: Failed
) -> None:
    now, begun = failed(made.router(), part)
    stopped: list[str] = []
    service = RouterService(RouterSettings(), on_stop=lambda: stopped.append(part))
    running = asyncio.create_task(service.run())
    with capture_logs() as logs:
        await holds(lambda: has(logs, Event.ROUTER_READY), within=WITHIN, what="the router is ready")
        assert begun == {*ROUTER_PARTS, *ROUTER_PROCESS}, "each part is tried"
        now.set()
        with pytest.raises(PartFailedError, match=f"the part {part} failed: InjectedError: {INJECTED}"):
            await asyncio.wait_for(running, WITHIN)
    assert stopped == [part]
    assert has(logs, Event.PART_FAILED, part=part)


@pytest.mark.parametrize("part", GATEWAY_PARTS)
async def test_each_part_of_a_gateway_ends_all_of_it_when_it_fails(
    part: str, made: Installation, failed: Failed
) -> None:
    now, begun = failed(made.gateway("LCA.01"), part)
    stopped: list[str] = []
    gateway = Gateway(GatewaySettings(), on_stop=lambda: stopped.append(part))
    running = asyncio.create_task(gateway.run())
    with capture_logs() as logs:
        await holds(lambda: has(logs, Event.GATEWAY_STARTED), within=WITHIN, what="the gateway runs")
        await holds(lambda: begun == {*GATEWAY_PARTS, *GATEWAY_PROCESS}, within=WITHIN, what=f"the parts are {begun}")
        now.set()
        with pytest.raises(PartFailedError, match=f"the part {part} failed: InjectedError: {INJECTED}"):
            await asyncio.wait_for(running, WITHIN)
    assert stopped == [part]
    assert has(logs, Event.PART_FAILED, part=part)


def has(logs: Sequence[MutableMapping[str, Any]], event: Event, **fields: str) -> bool:
    return any(entry["event"] == event and fields.items() <= entry.items() for entry in logs)


@pytest.mark.parametrize("part", ["router", "gateway-LCA", "broker"])
def test_an_all_in_one_that_could_start_a_process_no_more_ends_with_all_of_them(part: str, tmp_path: Path) -> None:
    file = tmp_path / "fail-now"
    up = UpProcess(tmp_path / "home", PYTHONPATH=os.pathsep.join([str(TESTS), str(TESTS.parent)]))
    up.program = [sys.executable, "-m", "support.failing_part", str(file), part]
    try:
        up.start("--example", "lao-cai")
        family = up.family()
        file.touch()
        assert up.process.wait(120) == 1
        assert Event.PART_FAILED in up.errors
        assert INJECTED in up.errors
        assert gone(family)
    finally:
        up.end()
