"""Which units a gateway hosts: from the router, or from the last time."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from consumers.errors import UnitsUnknownError
from consumers.fetching.origin import open_http
from consumers.line.openings import Openings
from consumers.spool import Spool, Writer
from consumers.spool.book_entries import is_unconfirmed
from consumers.spool.units import hosted
from consumers.status import GatewayState, backlog, status_path, write_status
from consumers.taking import hosting as hosting_module
from consumers.taking.hosting import Hosting, queues_of
from support.books import key
from support.content_server import ContentServer, content_server

PATTERN = "LCA.02.#"


def unit(code: str, link: str = "lan", **more: Any) -> dict[str, object]:
    return {"code": code, "link": link, "name": "a field that does not matter here", **more}


async def begun(server: ContentServer, spool: Spool, writer: Writer, pattern: str = PATTERN) -> Hosting:
    async with open_http(token="t", no_progress=5, window=0) as http:
        hosting = Hosting(spool, writer, http, origin_url=server.url, pattern=pattern, openings=Openings())
        await hosting.begin()
        return hosting


async def test_a_single_unit_asks_nobody(spool: Spool, writer: Writer) -> None:
    async with content_server() as server:
        hosting = await begun(server, spool, writer, "LCA.02.05")
        assert server.tokens == []
    assert hosting.codes == ["LCA.02.05"]
    assert hosting.hosts("LCA.02.05")
    assert not hosting.hosts("LCA.02")


async def test_a_subtree_is_listed_by_the_router_without_units_that_have_no_line(spool: Spool, writer: Writer) -> None:
    async with content_server() as server:
        server.units = [unit("LCA.02"), unit("LCA.02.05", "dialup"), unit("LCA.02.06", "none")]
        hosting = await begun(server, spool, writer)
        assert server.tokens == ["Bearer t"]
    assert hosting.codes == ["LCA.02", "LCA.02.05"]


async def test_the_last_list_serves_a_start_without_the_router(spool: Spool, writer: Writer) -> None:
    async with content_server() as server:
        server.units = [unit("LCA.02"), unit("LCA.02.05")]
        await begun(server, spool, writer)
        server.answers.append(503)
        hosting = await begun(server, spool, writer)
    assert hosting.codes == ["LCA.02", "LCA.02.05"]


async def test_without_any_list_the_gateway_waits_for_one(
    spool: Spool, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosting_module, "ASK_FIRST", 0.01)
    async with content_server() as server:
        server.units = [unit("LCA.02")]
        server.answers.extend([503, 401, 404])
        hosting = await asyncio.wait_for(begun(server, spool, writer), 30)
    assert hosting.codes == ["LCA.02"]


@pytest.mark.parametrize("listed", [[], [{"code": "lower case", "link": "lan"}], [{"link": "lan"}]])
async def test_a_list_that_cannot_be_used_leaves_the_last_one(
    spool: Spool, writer: Writer, listed: list[dict[str, object]]
) -> None:
    async with content_server() as server, open_http(token="", no_progress=5, window=0) as http:
        server.units = [unit("LCA.02")]
        hosting = Hosting(spool, writer, http, origin_url=server.url, pattern=PATTERN, openings=Openings())
        await hosting.begin()
        server.units = listed
        with pytest.raises(UnitsUnknownError):
            await hosting.refresh()
        assert hosting.codes == ["LCA.02"]


async def test_a_refresh_tells_the_new_units_and_still_takes_what_is_left_for_those_that_went(
    spool: Spool, writer: Writer
) -> None:
    async with content_server() as server, open_http(token="", no_progress=5, window=0) as http:
        server.units = [unit("LCA.02"), unit("LCA.02.05")]
        hosting = Hosting(spool, writer, http, origin_url=server.url, pattern=PATTERN, openings=Openings())
        assert await hosting.refresh() == ["LCA.02", "LCA.02.05"]
        server.units = [unit("LCA.02"), unit("LCA.02.07")]
        assert await hosting.refresh() == ["LCA.02.07"]
        assert hosting.codes == ["LCA.02", "LCA.02.07"]
        assert hosting.hosts("LCA.02.05")


NOW = datetime.now(UTC)
CLOSED = {"hours": f"{NOW + timedelta(hours=6):%H:%M}-{NOW + timedelta(hours=7):%H:%M}", "timezone": "UTC"}


async def test_the_hours_of_the_lines_come_with_the_list_and_are_remembered_without_the_router(
    spool: Spool, writer: Writer
) -> None:
    async with content_server() as server, open_http(token="", no_progress=5, window=0) as http:
        server.units = [unit("LCA.02.05", opening=CLOSED)]
        for is_first in (True, False):
            openings = Openings()
            hosting = Hosting(spool, writer, http, origin_url=server.url, pattern="LCA.02.05", openings=openings)
            await hosting.begin()
            assert openings.closed == (frozenset() if is_first else {"LCA.02.05"})
            await hosting.refresh()
            assert openings.closed == {"LCA.02.05"}
        server.units = [unit("LCA.02.05")]
        await hosting.refresh()
        assert openings.closed == frozenset()


async def test_what_another_pattern_hosted_before_is_not_taken_for_the_own(spool: Spool, writer: Writer) -> None:
    async with content_server() as server:
        server.units = [unit("LCA.02"), unit("LCA.02.05")]
        await begun(server, spool, writer)
        hosting = await begun(server, spool, writer, "LCA.02.05")
    assert hosting.codes == ["LCA.02.05"]


@pytest.mark.parametrize("wrong", [{"hours": "6pm"}, {"timezone": "Mars/Olympus"}])
async def test_hours_that_cannot_be_kept_to_leave_the_last_ones(
    spool: Spool, writer: Writer, wrong: dict[str, str]
) -> None:
    async with content_server() as server, open_http(token="", no_progress=5, window=0) as http:
        openings = Openings()
        hosting = Hosting(spool, writer, http, origin_url=server.url, pattern=PATTERN, openings=openings)
        server.units = [unit("LCA.02.05", opening=CLOSED)]
        await hosting.refresh()
        server.units = [unit("LCA.02.05", opening=CLOSED | wrong)]
        with pytest.raises(UnitsUnknownError):
            await hosting.refresh()
        assert openings.closed == {"LCA.02.05"}


def test_a_unit_has_two_queues_the_express_one_first() -> None:
    assert queues_of("LCA.02") == ["unit.LCA.02.express", "unit.LCA.02.normal"]


def test_the_status_file_tells_what_is_not_done(spool: Spool, tmp_path: Path) -> None:
    standing = GatewayState(
        units=3, line="up", opening="", line_rate_up=0, line_rate=4035, broker="up", sink="closed", sink_reason=""
    )
    write_status(spool, standing)
    text = status_path(tmp_path).read_text()
    for part in ('"waiting": 0', '"units": 3', f'"spool_id": "{spool.id}"', '"receipts_unsent": 0'):
        assert part in text
    assert backlog(spool).oldest_waiting == ""


async def test_the_desk_finds_a_single_unit_in_the_spool_before_the_router_was_ever_asked(
    spool: Spool, writer: Writer
) -> None:
    async with content_server() as server:
        await begun(server, spool, writer, "LCA.02.05")
        assert server.tokens == []
        with spool.reading() as conn:
            assert [item.code for item in hosted(conn)] == ["LCA.02.05"]
            assert is_unconfirmed(conn, key("LCA.02.05")), "another spool may have its books"


@pytest.mark.parametrize(("before", "waits"), [("LCA.02.05", True), ("*", True), ("LCA.02", False), ("LCA.99", False)])
async def test_a_unit_whose_books_lie_in_another_spool_gives_no_number_before_the_next_is_said(
    spool: Spool, writer: Writer, before: str, *, waits: bool
) -> None:
    async with content_server() as server:
        server.units = [unit("LCA.02"), unit("LCA.02.05")]
        server.before = before
        await begun(server, spool, writer)
    with spool.reading() as conn:
        assert is_unconfirmed(conn, key("LCA.02.05")) is waits
