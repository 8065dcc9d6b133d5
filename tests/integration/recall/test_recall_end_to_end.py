"""A recall through a whole installation: upstream asks, ledger and gateways act, people answer, the ledger knows."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select

from router.ledger.engine import reading
from router.ledger.models import delivery
from schemas.accounts import Role
from schemas.unit import Link
from support.broker import Vhost
from support.installation import CONGVAN, Installation, Program, installation
from support.ledgers import unit

HAS, FAILS, OFF, NO_LINE = "LCA.01", "LCA.02", "LCA.03", "LCA.04"
UNITS = [unit("LCA"), *(unit(code) for code in (HAS, FAILS, OFF)), unit(NO_LINE, Link.NONE)]


@pytest.fixture
def made(vhost: Vhost, tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path, vhost, UNITS) as laid:
        laid.router().start()
        laid.wait_until_ready()
        yield laid


async def submit(made: Installation, **fields: Any) -> tuple[int, Any]:
    letter = {"notation": "1-CV/TU", "subject": "Về việc họp", "issuer": "LCA", "addressees": ["LCA.*"]} | fields
    headers = {"Authorization": f"Bearer {made.account(Role.ISSUER, 'LCA.#')}", "Idempotency-Key": letter["notation"]}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(f"{made.api}/api/v1/dispatches", json=letter) as answer,
    ):
        return answer.status, await answer.json()


def states(made: Installation, dispatch_id: str) -> dict[str, str]:
    rows = select(delivery.c.unit, delivery.c.state).where(delivery.c.dispatch_id == dispatch_id)
    with reading(made.engine) as connection:
        return {row[0]: row[1] for row in connection.execute(rows)}


def say(gateway: Program, *words: str) -> None:
    command = [*CONGVAN, "gateway", "receipt", *words]
    done = subprocess.run(command, env=gateway.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def records(made: Installation, name: str) -> list[dict[str, Any]]:
    found = (made.directory / name / "inbox").glob("*/*/dispatch.json")
    return [json.loads(path.read_text("utf-8"))["dispatch"] for path in found]


async def test_a_recall_reaches_the_document_wherever_it_is(made: Installation) -> None:
    tried = made.directory / "tried"
    program = json.dumps(["/bin/sh", "-c", f"touch {tried}; grep -q recall || exit 75"])
    has = made.gateway(HAS, "has")
    fails = made.gateway(FAILS, "fails", sink="command", command=program, retry_first=600, retry_max=600)
    off = made.gateway(OFF, "off")
    for gateway in (has, fails):
        gateway.start()
    made.wait_until_seen([HAS, FAILS])

    status, accepted = await submit(made)
    assert status == 202
    original = accepted["id"]
    before = {HAS: "arrived", FAILS: "taken", OFF: "queued", NO_LINE: "pending"}
    made.wait(lambda: states(made, original) == before and tried.exists(), f"the original is {before}")

    status, accepted = await submit(made, notation="2-CV/TU", kind="recall", urgency=3, refers_to=[original])
    assert status == 202
    assert states(made, original)[NO_LINE] == "recalled", "it never left"
    assert states(made, original)[HAS] == "take_back_requested"
    made.wait(lambda: states(made, original)[FAILS] == "recalled", "the gateway ended what its sink never took")
    made.wait(lambda: states(made, accepted["id"])[HAS] == "arrived", "the recall itself arrives")
    assert states(made, original)[OFF] == "queued"

    off.start()
    made.wait(lambda: states(made, original)[OFF] == "recalled", "a gateway that was off gets both and ends it")
    made.wait(lambda: states(made, accepted["id"])[OFF] == "arrived", "and has the recall")
    assert [record["kind"] for record in records(made, "off")] == ["recall"]
    assert sorted(record["kind"] for record in records(made, "has")) == ["new", "recall"]

    say(has, "1-CV/TU", "recalled", "--person", "Nguyễn Thị Hoa")
    made.wait(lambda: set(states(made, original).values()) == {"recalled"}, "all four have ended")


async def test_a_unit_may_refuse_to_give_a_document_back_and_an_update_is_answered(made: Installation) -> None:
    has = made.gateway(HAS, "has")
    has.start()
    made.wait_until_seen([HAS])
    _, original = await submit(made, addressees=[HAS])
    _, update = await submit(made, notation="2-CV/TU", addressees=[HAS], kind="update", refers_to=[original["id"]])
    made.wait(lambda: made.states() == {"arrived": 2}, "both are there")
    say(has, "2-CV/TU", "change_accepted")
    made.wait(lambda: states(made, update["id"])[HAS] == "change_accepted", "the update is answered")
    await submit(made, notation="3-CV/TU", addressees=[HAS], kind="recall", refers_to=[original["id"]])
    made.wait(lambda: made.states().get("arrived") == 1, "the recall is there")
    say(has, "1-CV/TU", "change_refused", "--reason", "already carried out")
    made.wait(lambda: states(made, original["id"])[HAS] == "change_refused", "the answer")


async def test_a_recall_that_is_none_is_refused_with_its_field(made: Installation) -> None:
    _, original = await submit(made, addressees=[HAS])
    status, problem = await submit(
        made, notation="2-CV/TU", issuer="LCA.02", addressees=[HAS], kind="recall", refers_to=[original["id"]]
    )
    assert (status, problem["errors"][0]["field"]) == (422, "refers_to.0")
    assert problem["type"] == "urn:congvan:problem:references"
    status, problem = await submit(
        made, notation="3-CV/TU", addressees=[HAS, FAILS], kind="recall", refers_to=[original["id"]]
    )
    assert (status, problem["errors"][0]["field"]) == (422, "addressees")
