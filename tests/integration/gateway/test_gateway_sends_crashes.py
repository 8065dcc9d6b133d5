"""A gateway killed at the worst moments of sending, one by one: every document once, whole, filed."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from sqlalchemy import select

from router.ledger.engine import reading
from router.ledger.models import dispatch, dispatch_attachment
from support.api_server import GATEWAY, Api, running_api
from support.conditions import holds
from support.outboxes import put_out
from support.senders import POINTS, sender

TESTS = Path(__file__).parents[2]
SETTINGS = {"UNITS": "LCA.02.#"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path / "router") as running:
        yield running


async def dying(api: Api, directory: Path, point: str) -> asyncio.subprocess.Process:
    settings = SETTINGS | {"DATA_DIR": str(directory), "TOKEN": api.tokens[GATEWAY], "ORIGIN_URL": api.url}
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{TESTS}:{TESTS.parent}"}
    environment |= {f"CONGVAN_GATEWAY_{name}": value for name, value in settings.items()}
    command = (sys.executable, "-m", "support.senders", point)
    return await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.DEVNULL)


@pytest.mark.parametrize("point", POINTS)
async def test_a_kill_loses_nothing_and_submits_nothing_twice(api: Api, tmp_path: Path, point: str) -> None:
    scan = os.urandom(300_000)
    outbox = tmp_path / "unit" / "outbox"
    put_out(outbox, "a", {"scan.pdf": scan}, issuer="LCA.02.01")
    process = await dying(api, tmp_path / "unit", point)
    assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL, "it came to the point"

    async with sender(tmp_path / "unit", api.url, api.tokens[GATEWAY]) as unit:
        await holds((outbox / "sent" / "a" / "accepted.json").exists)
        await holds(lambda: not any((outbox / ".taken").iterdir()), what="nothing is left to do")
        assert unit.stages() == ["accepted"]
        told = orjson.loads((outbox / "sent" / "a" / "accepted.json").read_bytes())

    with reading(api.engine) as conn:
        (dispatch_id,) = conn.scalars(select(dispatch.c.id))
        (sha256,) = conn.scalars(select(dispatch_attachment.c.sha256))
    assert told["id"] == dispatch_id
    assert api.content.path(sha256).read_bytes() == scan
    assert [path.name for path in (outbox / "sent").iterdir()] == ["a"]
