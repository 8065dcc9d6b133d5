"""Fetching over real connections that are cut, refused, silent, wrong."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consumers.errors import ContentGoneError, DiskFullError, WrongContentError
from consumers.fetching.content import ContentDir
from consumers.fetching.fetch import FetchPolicy, Transfer
from consumers.line import state as line_module
from consumers.line.state import LineState
from rig.proxy import Proxy
from support.conditions import holds
from support.content_server import content_server
from support.fetching import QUICK, Bench, bench_in
from support.small_disk import small_disk

DATA = bytes(range(256)) * 2000


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(line_module, "PROBE_WHEN_DOWN", 0.02)
    async with content_server() as server:
        yield bench_in(tmp_path, server)


def wanted(bench: Bench, data: bytes = DATA) -> Transfer:
    transfer = Transfer(bench.server.put(data), len(data))
    transfer.release()
    return transfer


async def test_a_content_is_fetched_verified_and_named_by_its_hash(bench: Bench) -> None:
    transfer = wanted(bench)
    await bench.fetch(transfer)
    assert bench.got(transfer) == DATA
    assert bench.moved == len(DATA) == transfer.done
    assert not list(bench.directory.path("x").parent.glob("*.part"))
    assert bench.server.tokens == ["Bearer t"]


async def test_an_empty_content_needs_no_request(bench: Bench) -> None:
    transfer = wanted(bench, b"")
    await bench.fetch(transfer)
    assert bench.got(transfer) == b""
    assert bench.server.requests == []


async def test_a_content_that_is_here_is_not_fetched_again(bench: Bench) -> None:
    transfer = wanted(bench)
    bench.directory.path(transfer.sha256).write_bytes(DATA)
    await bench.fetch(transfer)
    assert bench.server.requests == []


async def test_a_dropped_line_costs_no_try_and_no_byte_is_sent_twice(bench: Bench) -> None:
    transfer = wanted(bench)
    bench.server.cut_after.extend([100_000] * 4)
    await bench.fetch(transfer, policy=FetchPolicy(gone_tries=1, wrong_tries=1))
    assert bench.got(transfer) == DATA
    starts = [request.start for request in bench.server.requests]
    assert starts == sorted(starts)
    assert len(set(starts)) == 5
    assert {request.if_range for request in bench.server.requests[1:]} == {f'"{transfer.sha256}"'}
    assert bench.moved == len(DATA)
    assert bench.waits == []


async def test_a_part_from_before_a_crash_is_resumed_at_its_byte(bench: Bench) -> None:
    transfer = wanted(bench)
    bench.directory.path(transfer.sha256).with_name(f"{transfer.sha256}.part").write_bytes(DATA[:70_001])
    await bench.fetch(transfer)
    assert [request.start for request in bench.server.requests] == [70_001]
    assert bench.got(transfer) == DATA


async def test_a_part_that_is_whole_needs_no_request(bench: Bench) -> None:
    transfer = wanted(bench)
    bench.directory.path(transfer.sha256).with_name(f"{transfer.sha256}.part").write_bytes(DATA)
    await bench.fetch(transfer)
    assert bench.server.requests == []
    assert bench.got(transfer) == DATA


@pytest.mark.parametrize("left_over", [b"\0" * 70_000, b"\0" * (len(DATA) + 1)], ids=["wrong", "too long"])
async def test_a_part_that_a_power_cut_spoilt_is_found_out_and_fetched_from_zero(
    bench: Bench, left_over: bytes
) -> None:
    transfer = wanted(bench)
    bench.directory.path(transfer.sha256).with_name(f"{transfer.sha256}.part").write_bytes(left_over)
    await bench.fetch(transfer)
    assert bench.got(transfer) == DATA
    assert bench.server.requests[-1].start == 0


async def test_a_server_that_knows_no_ranges_is_read_from_zero(bench: Bench) -> None:
    transfer = wanted(bench)
    bench.server.ranges = False
    bench.server.cut_after.append(100_000)
    await bench.fetch(transfer)
    assert bench.got(transfer) == DATA


@pytest.mark.parametrize("status", [500, 502, 503, 429, 401])
async def test_a_server_in_trouble_is_asked_again_as_often_as_it_takes(bench: Bench, status: int) -> None:
    transfer = wanted(bench)
    bench.server.answers.extend([status] * 6)
    await bench.fetch(transfer)
    assert bench.got(transfer) == DATA
    assert str(status) in bench.waits[0]
    assert bench.waits[-1] == "", "it waits for nothing any more"


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_a_content_that_stays_gone_is_given_up_after_some_tries(bench: Bench, status: int) -> None:
    transfer = wanted(bench)
    bench.server.answers.extend([status] * 99)
    with pytest.raises(ContentGoneError, match=str(status)):
        await bench.fetch(transfer)
    assert len(bench.server.requests) == 3


async def test_a_content_that_comes_back_in_time_is_fetched(bench: Bench) -> None:
    transfer = wanted(bench)
    bench.server.answers.extend([404, 503, 503, 503, 404])
    await bench.fetch(transfer)
    assert bench.got(transfer) == DATA


async def test_wrong_bytes_are_never_kept_and_fetched_again_from_zero(bench: Bench) -> None:
    transfer = wanted(bench)
    bench.server.swap[transfer.sha256] = 2
    await bench.fetch(transfer)
    assert bench.got(transfer) == DATA
    assert [request.start for request in bench.server.requests] == [0, 0, 0]
    assert [request.doubted for request in bench.server.requests] == [False, True, True]


async def test_a_router_that_says_its_copy_is_damaged_is_waited_for_in_its_own_words(bench: Bench) -> None:
    transfer = wanted(bench)
    bench.server.problem = "The router's copy of the content is damaged"
    bench.server.answers.extend([503] * 12)
    await bench.fetch(transfer)
    assert bench.got(transfer) == DATA
    assert set(bench.waits) == {"the server answered 503: The router's copy of the content is damaged", ""}


async def test_bytes_that_stay_wrong_are_given_up(bench: Bench) -> None:
    transfer = wanted(bench)
    bench.server.swap[transfer.sha256] = 99
    with pytest.raises(WrongContentError, match=transfer.sha256):
        await bench.fetch(transfer)
    assert not bench.directory.has(transfer.sha256)


@pytest.mark.parametrize("size", [len(DATA) - 1, len(DATA) + 1])
async def test_a_content_of_another_size_than_the_descriptor_says_is_wrong(bench: Bench, size: int) -> None:
    transfer = Transfer(bench.server.put(DATA), size)
    transfer.release()
    with pytest.raises(WrongContentError):
        await bench.fetch(transfer)


async def test_a_refused_connection_waits_for_the_line_without_counting(bench: Bench) -> None:
    async with Proxy(bench.server.url) as proxy:
        proxy.refuse()
        transfer = wanted(bench)
        fetching = asyncio.create_task(bench.fetch(transfer, url=proxy.url, policy=FetchPolicy(gone_tries=1)))
        await holds(lambda: bench.line.state is LineState.DOWN and proxy.accepted >= 3)
        proxy.refuse(refuse=False)
        await fetching
    assert bench.got(transfer) == DATA
    assert bench.line.state is LineState.UP
    assert bench.waits == []


async def test_a_silent_connection_is_given_up_and_resumed(bench: Bench) -> None:
    async with Proxy(bench.server.url) as proxy:
        transfer = wanted(bench)
        bench.server.open.clear()
        fetching = asyncio.create_task(bench.fetch(transfer, url=proxy.url, silence=0.2))
        await holds(lambda: len(bench.server.requests) >= 3, what="another connection after a silence")
        bench.server.open.set()
        await fetching
    assert bench.got(transfer) == DATA


async def test_a_transfer_that_may_not_read_keeps_its_connection_and_goes_on_where_it_was(bench: Bench) -> None:
    data = DATA * 20
    transfer = wanted(bench, data)
    fetching = asyncio.create_task(bench.fetch(transfer))
    await holds(lambda: bench.moved > 0)
    transfer.hold()
    await asyncio.sleep(0)
    moved = bench.moved
    await holds(lambda: bench.server.sent[transfer.sha256] > moved)
    assert bench.moved - moved <= 2**17, "what was at hand already, no more"
    assert not fetching.done()
    transfer.release()
    await fetching
    assert bench.got(transfer) == data
    assert len(bench.server.requests) == 1


async def test_a_transfer_held_when_all_of_it_is_at_hand_ends_as_it_should(bench: Bench) -> None:
    """The bytes are read, the response has ended: there is nothing left to pause."""
    transfer = wanted(bench, DATA * 20)

    def hold_and_let_go(_transfer: Transfer, count: int) -> None:
        bench.moved += count
        transfer.hold()
        asyncio.get_running_loop().call_soon(transfer.release)

    bench.on_progress = hold_and_let_go  # type: ignore[method-assign]
    await bench.fetch(transfer)
    assert bench.got(transfer) == DATA * 20
    assert bench.waits == []


async def test_what_has_come_is_on_disk_when_a_fetch_is_cancelled(bench: Bench) -> None:
    transfer = wanted(bench, DATA * 20)
    bench.server.held_from = 1_000_000
    bench.server.open.clear()
    fetching = asyncio.create_task(bench.fetch(transfer))
    await holds(lambda: bench.moved > 100_000)
    fetching.cancel()
    await asyncio.wait([fetching])
    part = bench.directory.path(transfer.sha256).with_name(f"{transfer.sha256}.part").read_bytes()
    assert len(part) == transfer.done >= 100_000
    assert (DATA * 20).startswith(part)


async def test_a_full_disk_is_waited_for_and_its_reason_shown(tmp_path: Path) -> None:
    with small_disk(tmp_path, size=1024 * 1024) as disk:
        async with content_server() as server:
            bench = bench_in(disk, server)
            ballast = disk / "ballast"
            ballast.write_bytes(b"\0" * 700_000)
            transfer = wanted(bench)
            fetching = asyncio.create_task(bench.fetch(transfer, policy=QUICK))
            await holds(lambda: any("free bytes" in reason for reason in bench.waits))
            ballast.unlink()
            await fetching
            assert bench.got(transfer) == DATA


async def test_a_disk_that_fills_up_in_the_middle_loses_nothing_of_what_came(tmp_path: Path) -> None:
    with small_disk(tmp_path, size=1024 * 1024) as disk:
        directory = ContentDir(disk / "content", reserve_bytes=0)
        sha256 = hashlib.sha256(DATA).hexdigest()
        part = directory.part(sha256, len(DATA))
        part.write(DATA[:100_000], 0)
        ballast = disk / "ballast"
        with pytest.raises(OSError, match="No space"):
            ballast.write_bytes(b"\0" * 2_000_000)
        with pytest.raises(DiskFullError, match=r"free bytes|no more bytes"):
            part.write(DATA[100_000:], 100_000)
        ballast.unlink()
        part.write(DATA[100_000:], 100_000)
        part.finish()
        part.close()
        assert directory.path(sha256).read_bytes() == DATA
