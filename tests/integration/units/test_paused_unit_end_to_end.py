"""A unit paused and opened again from the terminal while router and gateway run."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from router.ledger.engine import reading
from router.ledger.queries import Filter, find_deliveries
from router.ledger.scope import EVERYTHING
from schemas.accounts import Role
from schemas.clock import now_ms
from support.broker import Vhost
from support.installation import CONGVAN, Installation, Program, installation
from support.ledgers import unit

OPEN, PAUSED = "LCA.01", "LCA.02"


@pytest.fixture
def made(vhost: Vhost, tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path, vhost, [unit("LCA"), unit(OPEN), unit(PAUSED)]) as laid:
        yield laid


def do(router: Program, act: str, reason: str) -> dict[str, object]:
    command = [*CONGVAN, "units", act, PAUSED, "--reason", reason, "--json"]
    done = subprocess.run(command, env=router.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, object] = json.loads(done.stdout)
    return told


async def send(made: Installation, notation: str) -> None:
    letter = {"notation": notation, "subject": "Về việc họp", "issuer": "LCA", "addressees": ["LCA.*"]}
    headers = {"Authorization": f"Bearer {made.account(Role.ISSUER, 'LCA.#')}", "Idempotency-Key": notation}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(f"{made.api}/api/v1/dispatches", json=letter) as answer,
    ):
        assert answer.status == 202, await answer.text()


def waiting(made: Installation) -> list[tuple[str, str, int]]:
    """Unit, reason and number of publishes of what the broker was not given."""
    with reading(made.engine) as conn:
        rows = find_deliveries(conn, EVERYTHING, Filter(units=(PAUSED,)), now_ms=now_ms())
    return [(row.unit, row.reason.partition(" since ")[0], row.published) for row in rows if row.state == "pending"]


async def test_what_comes_for_a_paused_unit_waits_and_goes_when_it_is_opened(made: Installation) -> None:
    router = made.router()
    router.start()
    made.wait_until_ready()
    made.gateway("LCA.#", sink="none").start()
    made.wait_until_seen([OPEN, PAUSED])
    await send(made, "1-CV/TU")
    made.wait(lambda: made.states() == {"arrived": 2}, "both have the first")
    assert do(router, "pause", "the office moves")["changed"]
    for number in range(2, 5):
        await send(made, f"{number}-CV/TU")
    made.wait(
        lambda: made.states() == {"arrived": 5, "pending": 3}, "the other unit has all, the paused one nothing new"
    )
    assert {(code, published) for code, _, published in waiting(made)} == {(PAUSED, 0)}
    assert all(reason.startswith("paused by ") for _, reason, _ in waiting(made))
    assert do(router, "open", "the office has moved")["released"] == 3
    made.wait(lambda: made.states() == {"arrived": 8}, "what waited goes")
