"""A gateway killed at the worst moments, one by one: between what is durable and what the world is told."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consumers.spool import open_spool
from consumers.status import Backlog, backlog
from schemas.attachment import content_digest
from support.broker import Vhost
from support.conditions import holds
from support.content_server import content_server
from support.deliveries import a_descriptor, by_reference, inside
from support.gateways import PATTERN, Origin, origin_on, running, settings_for
from support.packing import zstd_form
from support.sessions import depth

TESTS = Path(__file__).parents[2]
POINTS = (
    "taken, not acknowledged",
    "half a content on disk",
    "content whole, not noted",
    "handed over, arrival not committed",
    "arrived, content not removed, receipt not sent",
    "receipt confirmed, not noted",
)


@pytest.fixture
async def origin(vhost: Vhost) -> AsyncIterator[Origin]:
    async with content_server() as content, origin_on(vhost, content) as made:
        yield made


async def dying(origin: Origin, directory: Path, point: str) -> asyncio.subprocess.Process:
    settings = {
        "DATA_DIR": str(directory),
        "UNITS": PATTERN,
        "TOKEN": origin.token.text,
        "AMQP_URL": origin.vhost.amqp_url,
        "ORIGIN_URL": origin.content.url,
        "BURST_LINGER": "0.05",
        "DISK_RESERVE_BYTES": "0",
    }
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{TESTS}:{TESTS.parent}"}
    environment |= {f"CONGVAN_GATEWAY_{name}": value for name, value in settings.items()}
    command = (sys.executable, "-m", "support.dying_gateway", point)
    return await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.DEVNULL)


PACKED_POINTS = (
    "half a content on disk",
    "form whole, not unpacked",
    "form unpacked, not named",
    "content named, form not removed",
)


@pytest.mark.parametrize("point", PACKED_POINTS)
async def test_a_kill_while_a_form_comes_or_is_unpacked_costs_at_most_its_last_bytes(
    origin: Origin, tmp_path: Path, point: str
) -> None:
    text = random.Random(1).randbytes(400_000).hex().encode()
    form = zstd_form(text)
    name = origin.content.put(text)
    origin.content.forms[name] = [form]
    told = by_reference("a.txt", text).model_copy(update={"zstd_size": len(form.data)})
    process = await dying(origin, tmp_path, point)
    (delivery_id,) = await origin.send(a_descriptor(attachments=(told,)), "LCA.02")
    assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL, "it came to the point"
    async with running(settings_for(origin, tmp_path)):
        await holds(lambda: delivery_id in origin.said("arrived"))
    (document,) = (tmp_path / "inbox").rglob("a.txt")
    assert document.read_bytes() == text
    assert not list((tmp_path / "content").glob("[0-9a-f]*"))
    later = [request for request in origin.content.requests[1:] if request.start == 0]
    assert later == [], "what had come was not asked for again"


@pytest.mark.parametrize("point", POINTS)
async def test_a_kill_loses_nothing_and_hands_nothing_over_twice(origin: Origin, tmp_path: Path, point: str) -> None:
    scan = os.urandom(600_000)
    origin.content.put(scan)
    descriptor = a_descriptor(attachments=(by_reference("scan.pdf", scan), inside("note.txt", b"note")))
    process = await dying(origin, tmp_path, point)
    ids = await origin.send(descriptor, "LCA.02", "LCA.02.05")
    assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL, "it came to the point"

    spool = open_spool(tmp_path)
    async with running(settings_for(origin, tmp_path)):
        await holds(lambda: set(origin.said("arrived")) == set(ids), what="both deliveries arrive")
        await holds(lambda: backlog(spool) == Backlog(0, "", 0, 0, 0), what="nothing is left to do or to say")
        await holds(lambda: depth(origin.vhost, "unit.LCA.02.normal") == 0)
    spool.close()

    said = origin.said()
    for delivery_id in ids:
        statuses = [receipt.status.value for receipt in said[delivery_id]]
        assert (statuses.count("taken"), statuses.count("arrived")) == (1, 1), "each said once, under one id"
        assert origin.said("arrived")[delivery_id][0].content_sha256 == content_digest(descriptor.attachments)
    documents = list((tmp_path / "inbox").rglob("dispatch.json"))
    assert len(documents) == 2
    assert {(path.parent / "scan.pdf").read_bytes() for path in documents} == {scan}
    assert not list((tmp_path / "content").glob("[0-9a-f]*"))


async def test_a_wiped_spool_says_so_by_another_id(origin: Origin, tmp_path: Path) -> None:
    def spools() -> int:
        return len({hello["spool_id"] for hello in origin.of_type("hello")})

    async with running(settings_for(origin, tmp_path / "before", sink="none")):
        await holds(lambda: spools() == 1)
    async with running(settings_for(origin, tmp_path / "after", sink="none")):
        await holds(lambda: spools() == 2)


async def test_a_stop_in_the_middle_of_a_transfer_resumes_at_the_byte(origin: Origin, tmp_path: Path) -> None:
    scan = os.urandom(3_000_000)
    sha256 = origin.content.put(scan)
    origin.content.held_from = 1_000_000
    origin.content.open.clear()
    async with running(settings_for(origin, tmp_path)):
        (delivery_id,) = await origin.send(a_descriptor(attachments=(by_reference("scan.pdf", scan),)), "LCA.02")
        part = tmp_path / "content" / f"{sha256}.part"
        await holds(lambda: part.exists() and part.stat().st_size > 0)
    came = part.stat().st_size
    origin.content.open.set()
    async with running(settings_for(origin, tmp_path)):
        await holds(lambda: delivery_id in origin.said("arrived"))
    starts = [request.start for request in origin.content.requests]
    assert came in starts
    assert starts == sorted(starts), "no byte is asked for twice"
