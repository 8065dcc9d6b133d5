"""The copy of the books goes to the router when nothing else wants the line, and comes back to a new machine."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from consumers.copies import chain, gathering, upward
from consumers.copies.gathering import Gathered
from consumers.copies.handover import CopyHandover
from consumers.copies.key import Identity, OtherKeyError, new_identity
from consumers.copies.origin import copy_origin
from consumers.copies.standing import Place, ask, copies_dir
from consumers.errors import CopyError, UnconfirmedBookError
from consumers.fetching.fetch import Transfer
from consumers.line.precedence import NOTHING
from consumers.sending.upload import Uploader
from consumers.settings import GatewaySettings
from consumers.spool import Spool, confirming, journal, open_spool
from consumers.spool.journal import JournalAct, JournalEntry
from consumers.spool.models import receipt
from rig.profiles import PROFILES
from rig.proxy import Proxy
from rig.wire import Wire
from router.ledger.engine import reading
from router.ledger.models import book_copy
from router.ledger.units.copies import CopyChain, chains
from schemas.clock import now_ms
from support.api_server import GATEWAY, OTHER_GATEWAY, Api, running_api
from support.books import BY, book, key, on_paper, register, rows_of
from support.conditions import holds
from support.copiers import copier, settings_of, with_key
from support.deliveries import came
from support.outboxes import put_out


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path / "router") as running:
        yield running


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for a copy that is due again and again."""
    monkeypatch.setattr(upward, "LOOK_EVERY", 0.05)
    monkeypatch.setattr("consumers.copies.standing.AGAIN_MS", 100)


def prepared(directory: Path, *, acts: int = 0) -> Identity:
    """A gateway's spool in which people have worked, with a recovery key; its receipts are told."""
    spool = open_spool(directory)
    identity = with_key(spool)
    register(spool, came(spool, seq=1))
    on_paper(spool)
    fill(spool, acts)
    told(spool)
    spool.close()
    return identity


def fill(spool: Spool, acts: int) -> None:
    """Acts that do not shrink when they are packed."""
    with spool.writing() as conn:
        for _ in range(acts):
            journal.record(conn, JournalEntry(now_ms(), "hoa", JournalAct.NOTED, "LCA.02.05", os.urandom(200).hex()))


def told(spool: Spool) -> None:
    with spool.writing() as conn:
        conn.execute(update(receipt).values(sent_at=1))


def kept(api: Api) -> list[CopyChain]:
    with reading(api.engine) as conn:
        return chains(conn, [GATEWAY])


def pieces(api: Api) -> list[int]:
    return [len(one.pieces) for one in kept(api)]


async def gathered(settings: GatewaySettings, identity: Identity | None = None) -> Gathered:
    async with copy_origin(settings, first_pause=0.01) as origin:
        return await gathering.from_router(origin, identity=identity)


async def test_the_books_come_back_after_the_disk_was_wiped_and_no_number_twice(api: Api, tmp_path: Path) -> None:
    unit = tmp_path / "unit"
    identity = prepared(unit)
    async with copier(unit, api.url, api.tokens[GATEWAY]) as running:
        await holds(lambda: pieces(api) == [1], within=30)
        on_paper(running.spool, "sau bản sao đầu")
        ask(unit, Place.ROUTER, now_ms() + 1)
        await holds(lambda: pieces(api) == [2], within=30)
        await holds(lambda: running.standing.where.endswith("/1"))
        before, entries = rows_of(running.spool, "book", "journal"), book(running.spool)
    numbered_elsewhere = [row | {"seq": -row["seq"]} for row in before["receipt"]]
    shutil.rmtree(unit)
    settings = settings_of(unit, api.url, api.tokens[GATEWAY])
    found = await gathered(settings, identity)
    spool = open_spool(unit)
    with spool.writing() as conn:
        gathering.put_back(conn, found, settings.units, "quan", now_ms(), replace=False)
    assert rows_of(spool, "book", "journal") == before | {"receipt": numbered_elsewhere}
    assert book(spool) == entries
    with pytest.raises(UnconfirmedBookError):
        on_paper(spool)
    with spool.writing() as conn:
        confirming.confirm(conn, key(), 4, BY)
    assert on_paper(spool) == 4
    spool.close()
    async with copier(unit, api.url, api.tokens[GATEWAY]):
        await holds(lambda: pieces(api) == [1, 2], within=30)  # under the same sheet, a chain of the new spool's


async def test_a_document_never_waits_for_the_copy(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unit = tmp_path / "unit"
    prepared(unit, acts=1500)
    moves: list[tuple[str, int]] = []
    moved = Uploader._moved

    def note(self: Uploader, transfer: Transfer, count: int, *rest: object) -> None:
        moves.append((transfer.sha256, count))
        moved(self, transfer, count, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Uploader, "_moved", note)
    wire = Wire(PROFILES["C"].faster(30), 1)
    async with (
        Proxy(api.url, wire) as line,
        copier(unit, line.url, api.tokens[GATEWAY], receive_window=8192) as running,
    ):
        await holds(lambda: len(moves) > 3, within=60)
        copied = moves[0][0]
        put_out(running.outbox, "bao-cao", {"scan.pdf": os.urandom(100_000)}, issuer="LCA.02.01")
        await holds((running.outbox / "sent" / "bao-cao").exists, within=60)
        seen = list(moves)
        await holds(lambda: pieces(api) == [1], within=120)
    names = [name for name, _ in seen]
    document = next(name for name in names if name != copied)
    between = seen[names.index(document) : len(names) - names[::-1].index(document)]
    assert sum(count for name, count in between if name == copied) <= 8192
    assert sum(count for name, count in seen if name == copied) < kept(api)[0].size
    assert {name for name, _ in moves} == {copied, document}


async def test_what_comes_down_and_receipts_hold_the_copy_until_they_are_done(api: Api, tmp_path: Path) -> None:
    unit = tmp_path / "unit"
    prepared(unit)
    async with copier(unit, api.url, api.tokens[GATEWAY]) as running:
        running.down.say(0)
        came(running.spool, seq=2)
        await holds(lambda: chain.pending(unit) is not None, within=30)
        for _ in range(20):
            await asyncio.sleep(0)
        assert pieces(api) == []
        running.down.say(NOTHING)
        await asyncio.sleep(0)
        assert pieces(api) == []
        told(running.spool)
        await holds(lambda: pieces(api) == [1], within=30)


async def test_a_line_that_breaks_costs_no_piece(api: Api, tmp_path: Path) -> None:
    unit = tmp_path / "unit"
    identity = prepared(unit, acts=1000)
    async with Proxy(api.url) as line, copier(unit, line.url, api.tokens[GATEWAY]):
        line.throttle(2_000_000)
        for share in (1, 2):
            await holds(lambda: line.carried > share * 60_000, within=30)  # noqa: B023 - awaited here
            line.cut()
        await holds(lambda: pieces(api) == [1], within=60)
    shutil.rmtree(unit)
    async with Proxy(api.url) as line:
        settings = settings_of(unit, line.url, api.tokens[GATEWAY])
        line.throttle(2_000_000)
        coming = asyncio.create_task(gathered(settings, identity))
        await holds(lambda: line.carried > 80_000, within=30)
        line.cut()
        found = await coming
    assert len(found.copy.tables["journal"]) > 1000
    assert (await gathered(settings_of(unit, api.url, api.tokens[GATEWAY]), identity)).copy == found.copy


@pytest.mark.parametrize("step", ["nothing up", "up, not named", "named, not noted"])
async def test_a_piece_whose_sender_was_killed_is_there_once(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    unit = tmp_path / "unit"
    prepared(unit)
    name, died = CopyHandover.name, asyncio.Event()

    async def dies(*args: object) -> None:
        if step == "named, not noted":
            await name(*args)  # type: ignore[arg-type]
        died.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patched:
        if step == "nothing up":
            patched.setattr(Uploader, "upload", dies)
        else:
            patched.setattr(CopyHandover, "name", dies)
        async with copier(unit, api.url, api.tokens[GATEWAY]):
            await asyncio.wait_for(died.wait(), 30)
        waiting = chain.pending(unit)
    async with copier(unit, api.url, api.tokens[GATEWAY]) as running:
        await holds(lambda: running.standing.made_at > 0, within=30)
    (one,) = kept(api)
    assert waiting is not None
    assert [(piece.number, piece.sha256) for piece in one.pieces] == [(0, waiting.sha256)]
    assert not list(copies_dir(unit).glob("*.age"))


async def test_a_router_that_lost_the_chain_gets_a_whole_one(api: Api, tmp_path: Path) -> None:
    unit = tmp_path / "unit"
    prepared(unit)
    async with copier(unit, api.url, api.tokens[GATEWAY]) as running:
        await holds(lambda: running.standing.made_at > 0, within=30)
        first = kept(api)[0].chain
        with api.engine.begin() as conn:
            conn.execute(delete(book_copy))
        on_paper(running.spool)
        ask(unit, Place.ROUTER, now_ms() + 1)
        await holds(lambda: pieces(api) == [1], within=30)
    assert kept(api)[0].chain != first


async def test_another_key_another_unit_and_no_copy_are_said(api: Api, tmp_path: Path) -> None:
    unit = tmp_path / "unit"
    identity = prepared(unit)
    settings = settings_of(unit, api.url, api.tokens[GATEWAY])
    with pytest.raises(CopyError, match="keeps no copy"):
        await gathered(settings, identity)
    async with copier(unit, api.url, api.tokens[GATEWAY]):
        await holds(lambda: pieces(api) == [1], within=30)
    with pytest.raises(CopyError, match="none of the 1 copies") as refused:
        await gathered(settings, new_identity())
    assert isinstance(refused.value.__cause__, OtherKeyError)
    foreign = settings_of(tmp_path / "other", api.url, api.tokens[OTHER_GATEWAY], units="LCA.03.#")
    with pytest.raises(CopyError, match="keeps no copy"):
        await gathered(foreign, identity)
    with pytest.raises(CopyError, match="the router refuses"):
        await gathered(settings_of(unit, api.url, "wrong"), identity)


async def test_a_chain_with_a_hole_is_said_to_have_one(api: Api, tmp_path: Path) -> None:
    unit = tmp_path / "unit"
    identity = prepared(unit)
    async with copier(unit, api.url, api.tokens[GATEWAY]) as running:
        for number in (1, 2, 3):
            await holds(lambda: pieces(api) == [number], within=30)  # noqa: B023 - awaited here
            await holds(lambda: chain.pending(unit) is None)
            on_paper(running.spool)
            if number < 3:
                ask(unit, Place.ROUTER, now_ms() + 1)
    with api.engine.begin() as conn:
        conn.execute(delete(book_copy).where(book_copy.c.number == 1))
        conn.execute(update(book_copy).where(book_copy.c.number == 2).values(number=1))
    with pytest.raises(CopyError, match="after piece 0 of the copy comes piece 2"):
        await gathered(settings_of(unit, api.url, api.tokens[GATEWAY]), identity)
