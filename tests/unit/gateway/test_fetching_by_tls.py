"""Fetching by TLS as nginx serves it: a record of 16 kB can be read when all of it has come, and not before."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consumers.fetching.fetch import Transfer
from consumers.line import state as line_module
from consumers.line.pace import FIRST_WINDOW, LinePace
from rig.proxy import Proxy
from router.tls.contexts import ClientContext
from router.tls.files import TlsFiles
from schemas.clock import now_ms
from support.certificates import certificates
from support.conditions import holds
from support.content_server import content_server
from support.fetching import Bench, bench_in

RECORD = 16 * 1024
BULK, URGENT = bytes(range(256)) * 20_000, bytes(reversed(range(256))) * 2_000


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    files = certificates(tmp_path, ["127.0.0.1"])
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(files.chain, files.key)
    async with content_server(serving) as server:
        made = bench_in(tmp_path, server)
        made.tls = ClientContext(TlsFiles(files.authority))
        yield made


def wanted(bench: Bench, data: bytes) -> Transfer:
    transfer = Transfer(bench.server.put(data), len(data))
    transfer.release()
    return transfer


async def test_a_record_that_takes_long_to_come_is_no_silence(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOOK_EVERY", "FIRST_PATIENCE", "ANSWER_SECONDS"):
        monkeypatch.setattr(line_module, name, 0.02)
    transfer = wanted(bench, BULK[: 6 * RECORD])
    async with Proxy(bench.server.url) as proxy:
        proxy.throttle(RECORD / 0.2)
        await bench.fetch(transfer, url=proxy.url)
        assert proxy.accepted == 1, "what comes is heard by the kernel: nothing is examined, nothing begun anew"
    assert bench.got(transfer) == BULK[: 6 * RECORD]


async def test_the_days_of_the_routers_certificate_are_seen_by_the_way(bench: Bench) -> None:
    assert bench.line.certificate_ends is None
    await bench.fetch(wanted(bench, BULK))
    assert bench.line.certificate_ends is not None
    assert 0 < bench.line.certificate_ends - now_ms() <= 2 * 86_400_000, "as long as the tests' certificates are good"


async def test_the_rate_is_measured_though_whole_records_are_far_apart(bench: Bench) -> None:
    """Else the window would never grow: by what can be read, nothing comes for seconds and then 16 kB at once."""
    bench.pace = LinePace
    transfer = wanted(bench, BULK[: 3 * RECORD])
    async with Proxy(bench.server.url) as proxy:
        proxy.throttle(RECORD / 1.3)
        await bench.fetch(transfer, url=proxy.url)
    assert RECORD / 2.6 < bench.line.pace.rate < 3 * RECORD


async def test_of_a_transfer_that_is_held_nothing_comes_but_what_was_on_its_way(bench: Bench) -> None:
    """While the urgent one comes, the other's window is closed: what TLS could decrypt is not read ahead either."""
    bench.pace = lambda: LinePace(fixed_window=FIRST_WINDOW)
    bulk, urgent = wanted(bench, BULK), wanted(bench, URGENT)
    fetching = asyncio.create_task(bench.fetch(bulk))
    await holds(lambda: bulk.done > 0)
    (connection,) = bench.line._connections
    bulk.hold()
    had_come = connection.received  # some of it may be unread yet, while what was read before is written
    await bench.fetch(urgent)
    assert bench.got(urgent) == URGENT
    assert connection.received - had_come < 4 * RECORD, "not the 256 kB that the TLS library takes by itself"
    bulk.release()
    await fetching
    assert bench.got(bulk) == BULK


async def test_a_certificate_that_nobody_vouches_for_is_no_event_of_the_line(bench: Bench) -> None:
    bench.tls = ClientContext(TlsFiles(authorities_setting="CONGVAN_GATEWAY_CA_FILE"))
    fetching = asyncio.create_task(bench.fetch(wanted(bench, URGENT)))
    await holds(lambda: any("CONGVAN_GATEWAY_CA_FILE" in reason for reason in bench.waits))
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
