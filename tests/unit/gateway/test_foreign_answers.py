"""Only the router's own answers count: what a portal or a proxy says instead costs a document nothing."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web

from consumers.errors import ContentGoneError
from consumers.fetching.answers import GONE, REFUSED, Meaning, meaning
from consumers.fetching.fetch import FetchPolicy, Transfer
from consumers.line import state as line_module
from support.content_server import ContentServer, content_server
from support.fetching import Bench, bench_in

DATA = bytes(range(256)) * 2000
PAGE = "<html><title>Đăng nhập Wi-Fi</title></html>"
STRICT = FetchPolicy(first=0.01, longest=0.05, gone_tries=1, wrong_tries=1)
"""Whatever counts at all ends the fetch."""


def page(status: int, **headers: str) -> web.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(status=status, text=PAGE, content_type="text/html", headers=named)


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(line_module, "PROBE_WHEN_DOWN", 0.02)
    monkeypatch.setattr(line_module, "PROBE_WHEN_STALLED", 0.02)
    async with content_server() as server:
        yield bench_in(tmp_path, server)


def wanted(server: ContentServer, data: bytes = DATA) -> Transfer:
    transfer = Transfer(server.put(data), len(data))
    transfer.release()
    return transfer


def expected(status: int, final: frozenset[int]) -> Meaning:
    if status in final:
        return Meaning.FINAL
    if 200 <= status < 300:
        return Meaning.DONE
    return Meaning.FOREIGN if status < 400 else Meaning.LATER


@pytest.mark.parametrize("final", [GONE, REFUSED], ids=["fetch", "send"])
def test_of_all_statuses_a_few_of_the_routers_are_final_and_none_of_anybody_elses(final: frozenset[int]) -> None:
    found = {status: meaning(status, ours=True, final=final) for status in range(100, 600)}
    assert found == {status: expected(status, final) for status in range(100, 600)}
    assert {meaning(status, ours=False, final=final) for status in range(100, 600)} == {Meaning.FOREIGN}


PAGES: list[Callable[[], web.Response]] = [
    *(partial(page, status) for status in (200, 206, 400, 403, 404, 407, 410, 416, 451, 500, 502, 503, 511)),
    partial(page, 302, Location="/login"),
    partial(page, 307, Location="http://127.0.0.1:1/login"),
    partial(page, 200, ETag='"5f3-abc"'),
    partial(page, 200, ETag='"5f3-abc"', Content_Encoding="br"),
    partial(page, 206, Content_Range=f"bytes 0-9/{len(DATA)}"),
]


@pytest.mark.parametrize("answer", PAGES, ids=lambda item: str(item.args) + str(item.keywords))
async def test_a_page_of_somebody_else_is_neither_content_nor_the_end_of_one(
    bench: Bench, answer: Callable[[], web.Response]
) -> None:
    transfer = wanted(bench.server)
    bench.server.foreign.extend([answer] * 4)
    await bench.fetch(transfer, policy=STRICT)
    assert bench.got(transfer) == DATA
    assert len(bench.server.requests) == 5, "no redirect was followed"
    assert any("something else than the router answered" in reason for reason in bench.waits), "people see why"


async def test_what_the_router_itself_says_is_gone_is_gone(bench: Bench) -> None:
    bench.server.answers.append(404)
    with pytest.raises(ContentGoneError):
        await bench.fetch(wanted(bench.server), policy=STRICT)


async def test_an_answer_that_ends_too_early_goes_on_at_its_byte(bench: Bench) -> None:
    transfer = wanted(bench.server)
    bench.server.end_after.extend([100_000, 1, 200_000])
    await bench.fetch(transfer, policy=STRICT)
    assert bench.got(transfer) == DATA
    assert [request.start for request in bench.server.requests] == [0, 100_000, 100_001, 300_001]
    assert bench.moved == len(DATA), "no byte came twice"
    assert bench.waits == []
