"""A process one part of which failed ends, soon, with a code that says so and a line that says why."""

import contextlib
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.events import Event
from support.all_in_one import UpProcess, gone
from support.broker import Vhost
from support.failing_part import INJECTED, THREAD
from support.installation import Installation, Program, installation
from support.ledgers import unit

TESTS = Path(__file__).parents[2]
ROUTER_PARTS = [
    "web API",
    "relay",
    "recorded",
    "keeper",
    "withdrawals",
    "organisation",
    "asker",
    "alignment",
    "line watch",
    "outage retention",
    "expiry",
    "care",
    "upload expiry",
    "redriver",
    "scrub",
    "retention",
    "look aside",
]
GATEWAY_PARTS = [
    "courier",
    "hosting",
    "express reporter",
    "normal reporter",
    "watch",
    "outages",
    "openings",
    "greetings",
    "gaps",
    "upward",
    "room",
    "damage",
    "pruning",
    "status",
]
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


@pytest.mark.parametrize("part", [*ROUTER_PARTS, THREAD])
def test_a_router_with_a_failed_part_ends(part: str, made: Installation, tmp_path: Path) -> None:
    router = made.router()
    file = failing(router, part, tmp_path)
    router.start()
    if part in {"web API", "keeper"}:  # without them the router does not get ready
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


@pytest.mark.parametrize("part", [*GATEWAY_PARTS, THREAD])
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
