"""A redrive through a whole installation whose router is killed in the middle of it."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import func, select

from router.ledger.engine import reading
from router.ledger.models import receipt, redrive_item
from router.ledger.redrives.decisions import JobState, Outcome
from router.ledger.redrives.reading import RedriveJob, find_job
from router.ledger.scope import EVERYTHING
from schemas.accounts import Role
from support.broker import Vhost
from support.installation import Installation, installation
from support.ledgers import POSTGRESQL, SQLITE, empty_ledger, unit

COUNT = 24
UNITS = [unit("LCA"), *(unit(f"LCA.{number:02}") for number in range(1, COUNT + 1))]


@pytest.fixture(params=[SQLITE, POSTGRESQL])
def made(request: pytest.FixtureRequest, vhost: Vhost, tmp_path: Path) -> Iterator[Installation]:
    postgres = request.getfixturevalue("postgres_url") if request.param == POSTGRESQL else ""
    (tmp_path / "router").mkdir()
    with (
        empty_ledger(request.param, tmp_path / "router", postgres) as url,
        installation(tmp_path, vhost, UNITS, ledger_url=url) as laid,
    ):
        yield laid


async def post(made: Installation, path: str, body: Any, role: Role, key: str) -> Any:
    headers = {"Authorization": f"Bearer {made.account(role, 'LCA.#')}", "Idempotency-Key": key}
    async with aiohttp.ClientSession(headers=headers) as http, http.post(f"{made.api}{path}", json=body) as answer:
        assert answer.status == 202, await answer.text()
        return await answer.json()


def job(made: Installation, key: str) -> RedriveJob:
    with reading(made.engine) as conn:
        return find_job(conn, EVERYTHING, key)


async def test_a_killed_router_goes_on_with_its_redrive_and_nothing_is_sent_twice(made: Installation) -> None:
    refuses, got = made.directory / "refuses", made.directory / "got"
    refuses.touch()
    program = json.dumps(["/bin/sh", "-c", f"test ! -e {refuses} || exit 100; echo $CONGVAN_DELIVERY_ID >> {got}"])
    router = made.router()
    router.start()
    made.wait_until_ready()
    made.gateway("LCA.#", sink="command", command=program).start()
    made.wait_until_seen([item.code for item in UNITS])
    letter = {"notation": "1-CV/TU", "subject": "Về việc họp", "issuer": "LCA", "addressees": ["LCA.*"]}
    await post(made, "/api/v1/dispatches", letter, Role.ISSUER, "letter")
    made.wait(lambda: made.states() == {"parked": COUNT}, "every unit's system has refused")
    refuses.unlink()

    asked = {"filter": "is:parked", "reason": "mended", "pace": "rate", "per_minute": 240}
    key = (await post(made, "/api/v1/redrives", asked, Role.OPERATOR, "once"))["id"]
    made.wait(lambda: 3 <= job(made, key).tally.sent < COUNT, "the redrive is in the middle")
    router.kill()
    before = job(made, key)
    assert before.tally[Outcome.WAITING] > 0, "it was killed before the end"
    assert before.state is JobState.RUNNING
    router.start()
    made.wait_until_ready()
    assert (await post(made, "/api/v1/redrives", asked, Role.OPERATOR, "once"))["id"] == key
    made.wait(lambda: job(made, key).state is JobState.DONE, "the redrive goes on to its end")

    assert made.states() == {"arrived": COUNT}
    assert set(Counter(got.read_text("utf-8").split()).values()) == {1}
    with reading(made.engine) as conn:
        again = select(receipt.c.delivery_id, func.count()).where(receipt.c.status == "redriven")
        counts = [row[1] for row in conn.execute(again.group_by(receipt.c.delivery_id))]
        outcomes = set(conn.scalars(select(redrive_item.c.outcome)))
    assert counts == [1] * COUNT
    assert outcomes == {"arrived"}
