"""What a unit sends reaches the router: from the outbox folder to an accepted dispatch, over lines that break."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from sqlalchemy import select

from rig.proxy import Proxy
from router.broker import SessionState
from router.ledger.engine import reading
from router.ledger.models import dispatch, dispatch_attachment
from support.api_server import GATEWAY, Api, running_api
from support.conditions import holds
from support.outboxes import put_out
from support.senders import sender


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path / "router") as running:
        yield running


def notations(api: Api) -> list[str]:
    with reading(api.engine) as conn:
        return sorted(conn.scalars(select(dispatch.c.notation)))


def attachments(api: Api) -> list[tuple[str, str]]:
    query = select(dispatch_attachment.c.name, dispatch_attachment.c.sha256)
    with reading(api.engine) as conn:
        return [(row.name, row.sha256) for row in conn.execute(query.order_by(dispatch_attachment.c.position))]


async def test_a_folder_in_the_outbox_becomes_a_dispatch(api: Api, tmp_path: Path) -> None:
    scan = os.urandom(200_000)
    async with sender(tmp_path / "unit", api.url, api.tokens[GATEWAY]) as unit:
        put_out(unit.outbox, "bao-cao", {"scan.pdf": scan, "note.txt": b"n", "empty": b""}, issuer="LCA.02.01")
        await holds((unit.outbox / "sent" / "bao-cao").exists)
        told = unit.accepted("bao-cao")
        assert unit.stages() == ["accepted"]
    async with api.http.get(f"/api/v1/dispatches/{told['id']}", headers=api.as_(GATEWAY)) as seen:
        shown = await seen.json()
    assert (shown["issuer"], told["addressees"]) == ("LCA.02.01", 1)
    files = attachments(api)
    assert [name for name, _ in files] == ["empty", "note.txt", "scan.pdf"]
    assert api.content.path(files[2][1]).read_bytes() == scan
    assert not list((unit.outbox / ".taken").iterdir())


async def test_what_cannot_be_sent_is_put_aside_with_its_reason(api: Api, tmp_path: Path) -> None:
    async with sender(tmp_path / "unit", api.url, api.tokens[GATEWAY]) as unit:
        put_out(unit.outbox, "foreign", issuer="LCA.VP")
        put_out(unit.outbox, "nobody", issuer="LCA.02.01", addressees=["LCA.99"])
        put_out(unit.outbox, "wrong", issuer="LCA.02.01", subject="")
        for name, reason in (("foreign", "LCA.VP"), ("nobody", "LCA.99"), ("wrong", "subject")):
            path = unit.outbox / "rejected" / name / "reason.txt"
            await holds(path.exists)
            assert reason in path.read_text()
        mended = unit.outbox / "rejected" / "wrong"
        (mended / "dispatch.json").write_bytes(
            orjson.dumps({"subject": "x", "issuer": "LCA.02.01", "addressees": ["LCA.02"]})
        )
        mended.rename(unit.outbox / "wrong")
        await holds((unit.outbox / "sent" / "wrong").exists, what="mended and moved back it is sent")
        assert sorted(unit.stages()) == ["accepted", "rejected", "rejected", "rejected"]


async def test_a_large_file_goes_up_once_over_a_line_that_breaks(api: Api, tmp_path: Path) -> None:
    scan = os.urandom(1_500_000)
    async with (
        Proxy(api.url) as proxy,
        sender(tmp_path / "unit", proxy.url, api.tokens[GATEWAY]) as unit,
    ):
        proxy.throttle(2_000_000)
        put_out(unit.outbox, "large", {"scan.pdf": scan}, issuer="LCA.02.01")
        for share in range(1, 4):
            await holds(lambda: proxy.carried > share * 400_000)  # noqa: B023 - awaited here
            proxy.cut()
        await holds((unit.outbox / "sent" / "large").exists, within=60)
        carried = proxy.carried
    assert notations(api) == ["15/BC-UBND"]
    assert carried < len(scan) * 1.5, "what was there was not sent again"


async def test_a_hook_that_says_down_closes_the_connection_at_once_and_up_goes_on(api: Api, tmp_path: Path) -> None:
    async with (
        Proxy(api.url) as proxy,
        sender(tmp_path / "unit", proxy.url, api.tokens[GATEWAY], no_progress_timeout=600.0) as unit,
    ):
        proxy.throttle(300_000)
        put_out(unit.outbox, "a", {"scan.pdf": os.urandom(400_000)}, issuer="LCA.02.01")
        await holds(lambda: proxy.carried > 100_000)
        unit.line.told(up=False)
        await holds(lambda: proxy.open == 0, within=20)
        carried = proxy.carried
        proxy.throttle(None)
        unit.line.told(up=True)
        unit.line.broker_is(SessionState.UP)
        await holds((unit.outbox / "sent" / "a").exists)
        assert proxy.carried > carried


async def test_an_express_document_passes_a_large_one_in_the_middle(api: Api, tmp_path: Path) -> None:
    async with (
        Proxy(api.url) as proxy,
        sender(tmp_path / "unit", proxy.url, api.tokens[GATEWAY], receive_window=8192) as unit,
    ):
        proxy.throttle(300_000)
        put_out(unit.outbox, "large", {"scan.pdf": os.urandom(3_000_000)}, issuer="LCA.02.01", notation="1-large")
        await holds(lambda: proxy.carried > 200_000)
        put_out(unit.outbox, "express", {"a.pdf": os.urandom(60_000)}, issuer="LCA.02.01", urgency=2)
        await holds((unit.outbox / "sent" / "express").exists, within=60)
        assert unit.stages() == ["accepted", "waiting"]
        proxy.throttle(None)
        await holds((unit.outbox / "sent" / "large").exists, within=60)


async def test_an_answer_that_was_lost_is_asked_for_again_and_the_dispatch_is_one(api: Api, tmp_path: Path) -> None:
    async with (
        Proxy(api.url) as proxy,
        sender(tmp_path / "unit", proxy.url, api.tokens[GATEWAY]) as unit,
    ):
        proxy.black_hole()
        put_out(unit.outbox, "a", issuer="LCA.02.01")
        await holds(lambda: proxy.accepted > 0)
        proxy.heal()
        await holds((unit.outbox / "sent" / "a").exists)
    assert notations(api) == ["15/BC-UBND"]


async def test_a_router_that_is_away_costs_nothing_but_time(tmp_path: Path) -> None:
    async with running_api(tmp_path / "router") as api, Proxy(api.url) as proxy:
        proxy.refuse()
        async with sender(tmp_path / "unit", proxy.url, api.tokens[GATEWAY]) as unit:
            put_out(unit.outbox, "a", {"b.pdf": b"b"}, issuer="LCA.02.01")
            await holds(lambda: unit.stages() == ["waiting"] and proxy.accepted > 0)
        proxy.refuse(refuse=False)
        async with sender(tmp_path / "unit", proxy.url, api.tokens[GATEWAY]) as unit:
            await holds((unit.outbox / "sent" / "a").exists)


async def test_a_wiped_spool_sends_nothing_twice(api: Api, tmp_path: Path) -> None:
    outbox = tmp_path / "outbox"
    async with sender(tmp_path / "before", api.url, api.tokens[GATEWAY], outbox_dir=outbox) as unit:
        put_out(outbox, "a", {"b.pdf": b"b"}, issuer="LCA.02.01")
        await holds((outbox / "sent" / "a").exists)
        told = unit.accepted("a")
    taken = outbox / ".taken" / told["outbox_id"]
    taken.mkdir()
    (outbox / "sent" / "a").rename(taken / "a")
    async with sender(tmp_path / "after", api.url, api.tokens[GATEWAY], outbox_dir=outbox) as unit:
        await holds((outbox / "sent" / "a").exists)
        assert unit.accepted("a")["id"] == told["id"]
    assert notations(api) == ["15/BC-UBND"]


async def test_a_file_changed_while_it_is_sent_is_not_sent_as_something_else(api: Api, tmp_path: Path) -> None:
    async with (
        Proxy(api.url) as proxy,
        sender(tmp_path / "unit", proxy.url, api.tokens[GATEWAY]) as unit,
    ):
        proxy.throttle(500_000)
        put_out(unit.outbox, "a", {"b.pdf": os.urandom(1_000_000)}, issuer="LCA.02.01")
        await holds(lambda: proxy.carried > 100_000)
        (file,) = (unit.outbox / ".taken").glob("*/a/b.pdf")
        file.write_bytes(b"short")
        proxy.cut()
        reason = unit.outbox / "rejected" / "a" / "reason.txt"
        await holds(reason.exists, within=60)
        assert "b.pdf was changed" in reason.read_text()
    assert notations(api) == []


async def test_content_that_the_router_lost_goes_up_again(api: Api, tmp_path: Path) -> None:
    async with sender(tmp_path / "unit", api.url, api.tokens[GATEWAY]) as unit:
        put_out(unit.outbox, "a", {"b.pdf": b"b" * 1000}, issuer="LCA.02.01")
        await holds((unit.outbox / "sent" / "a").exists)
        for path in api.content.root.glob("*/*/*"):
            if path.parent.parent.name != "uploads":
                path.unlink()
        put_out(unit.outbox, "c", {"b.pdf": b"b" * 1000}, issuer="LCA.02.01")
        await holds((unit.outbox / "sent" / "c").exists)
    assert len(notations(api)) == 2
