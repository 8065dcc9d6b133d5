"""A router's log and another body's witness: what grows is signed by both, another history by the log alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession
from nacl.signing import SigningKey
from sqlalchemy import Engine, delete, update
from structlog.testing import capture_logs

from router.ledger.engine import reading, writing
from router.ledger.log import appending, checkpoints, tree
from router.ledger.log.entries import forgotten
from router.ledger.models import log_checkpoint, log_entry, log_head
from router.ledger.writer import Writer
from router.pages.serving import QuietServer, listen, serving
from router.trust.checkpointer import Checkpointer
from router.trust.cosigning import WitnessAddress
from router.trust.log_key import name_of
from router.trust.witness import Witness
from router.trust.witness_service import witness_app
from schemas.events import Event
from schemas.ids import new_id
from schemas.trust.checkpoints import OpenedCheckpoint, open_checkpoint
from schemas.trust.witnessing import MAX_REQUEST_BYTES

KEY = SigningKey(b"k" * 32)
LOG = name_of(KEY)
pytestmark = pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)


@asynccontextmanager
async def watching(directory: Path) -> AsyncIterator[WitnessAddress]:
    witness = Witness("nhan-chung.vn", SigningKey(b"w" * 32), [LOG], directory)
    listener = listen("127.0.0.1", 0)
    server = QuietServer(serving(witness_app(witness), most_of_an_address=20))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    yield WitnessAddress(f"http://127.0.0.1:{listener.getsockname()[1]}", witness.public_key)
    server.should_exit = True
    await running


def grow(ledger: Engine, count: int) -> None:
    with writing(ledger) as conn:
        for _ in range(count):
            appending.note(conn, forgotten([new_id()]))


async def look(ledger: Engine, *witnesses: WitnessAddress) -> None:
    """What a router does each minute; one that has just been started."""
    writer = Writer(ledger)
    await Checkpointer(ledger, writer, KEY, witnesses).look()
    writer.close()


def opened(ledger: Engine, *witnesses: WitnessAddress) -> OpenedCheckpoint:
    with reading(ledger) as conn:
        newest = checkpoints.newest(conn)
    assert newest is not None
    return open_checkpoint(newest.note, LOG, [item.key for item in witnesses])


async def test_a_log_that_grows_is_signed_by_its_witness_each_time(ledger: Engine, tmp_path: Path) -> None:
    async with watching(tmp_path / "signed") as witness:
        for count in (3, 1, 400):
            grow(ledger, count)
            await look(ledger, witness)
            found = opened(ledger, witness)
            assert [item.by for item in found.signed] == [LOG, witness.key]
        assert found.checkpoint.size == 404


async def test_a_witness_that_is_away_holds_nothing_up_and_signs_the_next(ledger: Engine, tmp_path: Path) -> None:
    async with watching(tmp_path / "signed") as gone:
        grow(ledger, 2)
        await look(ledger, gone)
    grow(ledger, 2)
    with capture_logs() as logs:
        await look(ledger, gone)
    assert [item["event"] for item in logs if item["log_level"] == "warning"] == [Event.LOG_WITNESS_AWAY]
    assert [item.by for item in opened(ledger, gone).signed] == [LOG]
    async with watching(tmp_path / "signed") as back:
        grow(ledger, 2)
        await look(ledger, back)
        assert len(opened(ledger, back).signed) == 2


def roll_back(ledger: Engine) -> str:
    """Yesterday's ledger, which has gone on since, not as far as before."""
    with writing(ledger) as conn:
        conn.execute(delete(log_entry).where(log_entry.c.number >= 4))
        conn.execute(delete(log_checkpoint))
        conn.execute(update(log_head).values(size=4))
    return "it has signed 6 entries, and the log has 5"


def fork(ledger: Engine) -> str:
    """Another history of the same length, which goes on."""
    with writing(ledger) as conn:
        conn.execute(update(log_entry).where(log_entry.c.number == 2).values(leaf_hash=b"f" * 32))
        conn.execute(delete(log_checkpoint))
    return "the log of 7 entries does not begin with the 6 that were signed before"


@pytest.mark.parametrize("hurt", [roll_back, fork])
async def test_another_history_is_refused_and_the_router_says_so(ledger: Engine, tmp_path: Path, hurt) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - either of the two above
    async with watching(tmp_path / "signed") as witness:
        grow(ledger, 6)
        await look(ledger, witness)
        why = hurt(ledger)
        grow(ledger, 1)
        with capture_logs() as logs:
            await look(ledger, witness)
        (refused,) = [item for item in logs if item["event"] == Event.LOG_WITNESS_REFUSES]
        assert (refused["witness"], refused["reason"].strip()) == ("nhan-chung.vn", why)
        assert [item.by for item in opened(ledger, witness).signed] == [LOG]
        with reading(ledger) as conn:
            assert opened(ledger).checkpoint.size == tree.size_of(conn)


async def test_a_request_has_a_bound(ledger: Engine, tmp_path: Path) -> None:
    del ledger
    async with watching(tmp_path / "signed") as witness, ClientSession() as http:
        for body, status in ((b"x" * (MAX_REQUEST_BYTES + 1), 413), (b"\xff\xfe", 400), (b"", 400)):
            async with http.post(f"{witness.url}/add-checkpoint", data=body) as answer:
                assert answer.status == status
        async with http.get(f"{witness.url}/add-checkpoint") as answer:
            assert answer.status == 405
