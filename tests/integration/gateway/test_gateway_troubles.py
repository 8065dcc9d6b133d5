"""A whole gateway in trouble: what is parked with its reason, what is tried again, what goes on with the line."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from consumers import assembly
from consumers.delivering import errand
from consumers.errors import GatewaySettingsError, SpoolDamagedError, SpoolInUseError
from consumers.fetching.content import ContentDir
from consumers.fetching.fetch import FetchPolicy
from consumers.gateway import Gateway
from consumers.reading.inbox import get_entry, list_inbox
from consumers.settings import GatewaySettings
from consumers.sinks.base import Document
from consumers.sinks.folder import FolderSink
from consumers.spool import open_spool
from consumers.status import backlog
from rig.proxy import Proxy
from schemas.descriptor import Descriptor
from schemas.events import Event
from schemas.states import Status
from support.broker import Vhost
from support.conditions import holds
from support.content_server import content_server
from support.deliveries import a_descriptor, by_reference, inside, record_of
from support.gateways import Origin, origin_on, running, settings_for
from support.rot import rot

SCAN = b"scan" * 10_000


@pytest.fixture
async def origin(vhost: Vhost, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Origin]:
    quick = FetchPolicy(first=0.01, longest=0.05, gone_tries=3, wrong_tries=2)
    monkeypatch.setattr(assembly, "FetchPolicy", lambda: quick)
    async with content_server() as content, origin_on(vhost, content) as made:
        yield made


def another_dispatchs_record(origin: Origin) -> Descriptor:
    record, body = record_of(a_descriptor())
    origin.content.put(body)
    return a_descriptor(record=record)


def no_descriptor_at_all(origin: Origin) -> Descriptor:
    origin.content.put(SCAN)
    return a_descriptor(record=by_reference("record.json", SCAN))


def gone(_origin: Origin) -> Descriptor:
    return a_descriptor(attachments=(by_reference("scan.pdf", SCAN),))


def wrong_bytes(origin: Origin) -> Descriptor:
    origin.content.swap[origin.content.put(SCAN)] = 99
    return gone(origin)


def too_large(origin: Origin) -> Descriptor:
    origin.content.put(SCAN * 10)
    return a_descriptor(attachments=(by_reference("scan.pdf", SCAN * 10),))


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (gone, "404"),
        (wrong_bytes, "came as 40000 bytes with SHA-256"),
        (too_large, "max_document_bytes"),
        (another_dispatchs_record, "is not the full descriptor"),
        (no_descriptor_at_all, "record of the dispatch is not valid"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_what_cannot_be_delivered_is_parked_with_its_reason_and_the_next_goes_on(
    origin: Origin, tmp_path: Path, made: Callable[[Origin], Descriptor], reason: str
) -> None:
    async with running(settings_for(origin, tmp_path, max_document_bytes=len(SCAN) * 2)):
        (bad,) = await origin.send(made(origin), "LCA.02")
        (good,) = await origin.send(a_descriptor(), "LCA.02")
        await holds(lambda: bad in origin.said("parked") and good in origin.said("arrived"))
    assert reason in origin.said("parked")[bad][0].reason
    spool = open_spool(tmp_path)
    assert get_entry(spool, bad).state is Status.PARKED
    assert reason in get_entry(spool, bad).reason
    spool.close()


async def test_an_error_of_our_own_that_stays_parks_one_delivery_and_the_others_go_on(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errand, "TROUBLE_PAUSE", 0.01)

    def broken(*_args: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(ContentDir, "unpack", broken)
    async with running(settings_for(origin, tmp_path)):
        (bad,) = await origin.send(a_descriptor(attachments=(inside("a", b"note"),)), "LCA.02")
        (good,) = await origin.send(a_descriptor(), "LCA.02")
        await holds(lambda: bad in origin.said("parked") and good in origin.said("arrived"))
    assert "a bug" in origin.said("parked")[bad][0].reason
    assert origin.said("parked")[bad][0].attempts == errand.OWN_ERROR_ATTEMPTS


async def test_a_sink_that_recovers_gets_the_document_and_the_tries_are_counted(origin: Origin, tmp_path: Path) -> None:
    program = tmp_path / "sink.sh"
    program.write_text(f"#!/bin/sh\necho >> {tmp_path}/tries\ntest $(wc -l < {tmp_path}/tries) -ge 3\n")
    program.chmod(0o755)
    settings = settings_for(origin, tmp_path / "data", sink="command", command=(str(program),))
    async with running(settings):
        (delivery_id,) = await origin.send(a_descriptor(), "LCA.02")
        await holds(lambda: delivery_id in origin.said("arrived"))
    assert origin.said("arrived")[delivery_id][0].attempts == 3


async def test_a_copy_that_rots_before_the_hand_over_is_fetched_again_and_costs_the_document_no_try(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.content.put(SCAN)
    deliver = FolderSink._deliver
    spoilt: list[Path] = []

    def rots_once(sink: FolderSink, document: Document) -> None:
        if not spoilt:
            spoilt.append(document.files[0].path)
            rot(spoilt[0])
        deliver(sink, document)

    monkeypatch.setattr(FolderSink, "_deliver", rots_once)
    async with running(settings_for(origin, tmp_path)):
        (delivery_id,) = await origin.send(a_descriptor(attachments=(by_reference("scan.pdf", SCAN),)), "LCA.02")
        await holds(lambda: delivery_id in origin.said("arrived"))
    assert spoilt
    assert origin.said("arrived")[delivery_id][0].attempts == 1
    (file,) = (tmp_path / "inbox" / "LCA.02").glob("*/scan.pdf")
    assert file.read_bytes() == SCAN


def damage(spool: Path) -> None:
    """Have a table begin on a page that is not there, and who has the file open look again."""
    with closing(sqlite3.connect(spool)) as conn, conn:
        (version,) = conn.execute("PRAGMA schema_version").fetchone()
        conn.execute("PRAGMA writable_schema = ON")
        conn.execute("UPDATE sqlite_master SET rootpage = 99999 WHERE name = 'inbox'")
        conn.execute(f"PRAGMA schema_version = {version + 1}")


async def test_a_spool_that_is_damaged_while_it_is_used_stops_the_gateway_and_the_next_one_begins_anew(
    origin: Origin, tmp_path: Path
) -> None:
    settings = settings_for(origin, tmp_path)
    with capture_logs() as logs:  # tracebacks in colours, one of each part, would take a slow machine a minute
        gateway = asyncio.create_task(Gateway(settings).run())
        await holds(lambda: bool(origin.of_type("hello")))
        damage(tmp_path / "spool.sqlite3")
        await origin.send(a_descriptor(), "LCA.02")
        with pytest.raises(SpoolDamagedError, match="was found to be damaged"):
            async with asyncio.timeout(60):
                await gateway
    assert Event.SPOOL_PUT_ASIDE in {entry["event"] for entry in logs}
    assert list(tmp_path.glob("spool.sqlite3.damaged-*"))
    first = {hello["spool_id"] for hello in origin.of_type("hello")}
    async with running(settings):
        await holds(lambda: {hello["spool_id"] for hello in origin.of_type("hello")} != first)
        (delivery_id,) = await origin.send(a_descriptor(), "LCA.02")
        await holds(lambda: delivery_id in origin.said("arrived"))


async def test_without_a_sink_the_contents_stay_in_the_spool(origin: Origin, tmp_path: Path) -> None:
    sha256 = origin.content.put(SCAN)
    async with running(settings_for(origin, tmp_path, sink="none")):
        (delivery_id,) = await origin.send(a_descriptor(attachments=(by_reference("scan.pdf", SCAN),)), "LCA.02")
        await holds(lambda: delivery_id in origin.said("arrived"))
    async with running(settings_for(origin, tmp_path, sink="none")):
        pass
    assert (tmp_path / "content" / sha256).read_bytes() == SCAN


async def test_why_a_document_waits_is_shown_while_it_waits(origin: Origin, tmp_path: Path) -> None:
    origin.content.put(SCAN)
    spool = open_spool(tmp_path)
    async with running(settings_for(origin, tmp_path)):
        await holds(lambda: bool(origin.of_type("hello")))
        origin.content.answers.extend([503] * 1000)
        (delivery_id,) = await origin.send(a_descriptor(attachments=(by_reference("scan.pdf", SCAN),)), "LCA.02")
        await holds(lambda: backlog(spool).waiting == 1 and "503" in get_entry(spool, delivery_id).reason)
        origin.content.answers.clear()
        await holds(lambda: delivery_id in origin.said("arrived"))
    assert get_entry(spool, delivery_id).reason == ""
    spool.close()


async def test_after_a_cut_the_gateway_says_hello_and_goes_on(origin: Origin, tmp_path: Path) -> None:
    async with (
        Proxy(origin.vhost.amqp_url) as proxy,
        running(settings_for(origin, tmp_path, sink="none", amqp_url=proxy.url)),
    ):
        await holds(lambda: len(origin.of_type("hello")) >= 1)
        before = len(origin.of_type("hello"))
        proxy.cut()
        (delivery_id,) = await origin.send(a_descriptor(), "LCA.02")
        await holds(lambda: delivery_id in origin.said("arrived"))
        await holds(lambda: len(origin.of_type("hello")) > before)


async def test_receipts_that_cannot_go_out_before_the_end_go_out_after_the_next_start(
    origin: Origin, tmp_path: Path
) -> None:
    spool = open_spool(tmp_path)
    async with (
        Proxy(origin.vhost.amqp_url) as proxy,
        running(settings_for(origin, tmp_path, sink="none", amqp_url=proxy.url)),
    ):
        await holds(lambda: bool(origin.of_type("hello")))
        (delivery_id,) = await origin.send(a_descriptor(), "LCA.02")
        await holds(lambda: bool(list_inbox(spool)))
        proxy.refuse()
        proxy.cut()
    async with running(settings_for(origin, tmp_path, sink="none")):
        await holds(lambda: delivery_id in origin.said("arrived"))
        await holds(lambda: backlog(spool).receipts_unsent == 0)
    spool.close()


async def test_a_unit_that_is_new_in_the_subtree_is_hosted_without_a_restart(origin: Origin, tmp_path: Path) -> None:
    listed = origin.content.units
    origin.content.units = listed[:-1]
    async with running(settings_for(origin, tmp_path, sink="none", units_refresh=0.1)):
        await holds(lambda: bool(origin.of_type("hello")))
        origin.content.units = listed
        (delivery_id,) = await origin.send(a_descriptor(), "LCA.02.06")
        await holds(lambda: delivery_id in origin.said("arrived"))
        await holds(lambda: "LCA.02.06" in origin.of_type("hello")[-1]["units"])


async def test_a_second_gateway_on_the_same_directory_is_refused(origin: Origin, tmp_path: Path) -> None:
    settings = settings_for(origin, tmp_path, sink="none")
    async with running(settings):
        await holds(lambda: bool(origin.of_type("hello")))
        with pytest.raises(SpoolInUseError):
            await Gateway(settings).run()


@pytest.mark.parametrize("missing", ["units", "amqp_url"])
async def test_a_gateway_says_which_setting_it_needs(tmp_path: Path, missing: str) -> None:
    given: dict[str, Any] = {"units": "LCA.02", "amqp_url": "amqp://localhost/x", "data_dir": tmp_path}
    with pytest.raises(GatewaySettingsError, match=missing):
        Gateway(GatewaySettings(**{key: value for key, value in given.items() if key != missing}))


async def test_old_deliveries_are_forgotten(origin: Origin, tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    async with running(settings_for(origin, tmp_path, sink="none")):
        (delivery_id,) = await origin.send(a_descriptor(), "LCA.02")
        await holds(lambda: delivery_id in origin.said("arrived") and backlog(spool).receipts_unsent == 0)
    async with running(settings_for(origin, tmp_path, sink="none", retention=0.001)):
        await holds(lambda: list_inbox(spool) == [])
    spool.close()


async def test_a_dropped_line_is_told_with_both_its_edges_once_it_is_back(origin: Origin, tmp_path: Path) -> None:
    async with (
        Proxy(origin.vhost.amqp_url) as proxy,
        running(settings_for(origin, tmp_path, sink="none", amqp_url=proxy.url)),
    ):
        await holds(lambda: bool(origin.of_type("hello")), what="the first hello")
        proxy.cut()
        await holds(lambda: any(hello["line"].get("outages") for hello in origin.of_type("hello")))
    (told,) = [hello["line"]["outages"] for hello in origin.of_type("hello") if hello["line"].get("outages")]
    assert len(told) == 1
    assert told[0]["down_at"] < told[0]["up_at"]


async def test_how_far_a_document_has_come_is_told_when_the_line_is_back(origin: Origin, tmp_path: Path) -> None:
    large = b"scan" * 200_000
    origin.content.put(large)
    async with Proxy(origin.vhost.amqp_url) as broker, Proxy(origin.content.url) as web:
        web.throttle(100_000)
        settings = settings_for(origin, tmp_path, sink="none", amqp_url=broker.url, origin_url=web.url)
        async with running(settings):
            (key,) = await origin.send(a_descriptor(attachments=(by_reference("scan.pdf", large),)), "LCA.02")
            await holds(lambda: any(path.stat().st_size for path in (tmp_path / "content").glob("*.part")))
            broker.cut()
            await holds(lambda: any(hello.get("held") for hello in origin.of_type("hello")))
    (told,) = [hello["held"] for hello in origin.of_type("hello") if hello.get("held")][:1]
    assert (told[0]["delivery_id"], told[0]["total"]) == (key, len(large))
    assert 0 < told[0]["held"] < len(large)
