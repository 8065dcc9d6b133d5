"""The way of a delivery through a whole gateway: real broker, real spool, real folder."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from consumers.reading.inbox import add_person_receipt, list_inbox
from consumers.spool import open_spool, recalls
from schemas.attachment import content_digest
from schemas.dispatch import Urgency
from schemas.states import Status
from support.broker import Vhost
from support.conditions import holds
from support.content_server import content_server
from support.deliveries import a_descriptor, by_reference, inside, record_of
from support.gateways import Origin, origin_on, running, settings_for
from support.sessions import depth


@pytest.fixture
async def origin(vhost: Vhost) -> AsyncIterator[Origin]:
    async with content_server() as content, origin_on(vhost, content) as made:
        yield made


async def test_a_dispatch_reaches_every_unit_hosted_and_each_says_taken_then_arrived(
    origin: Origin, tmp_path: Path
) -> None:
    scan = b"scan" * 50_000
    origin.content.put(scan)
    descriptor = a_descriptor(attachments=(by_reference("bản quét.pdf", scan), inside("ghi chú.txt", b"note")))
    async with running(settings_for(origin, tmp_path)):
        ids = await origin.send(descriptor, "LCA.02", "LCA.02.05", "LCA.02.06")
        await holds(lambda: set(origin.said("arrived")) == set(ids))
    said = origin.said()
    for delivery_id in ids:
        assert [receipt.status.value for receipt in said[delivery_id]] == ["taken", "arrived"]
        assert said[delivery_id][1].content_sha256 == content_digest(descriptor.attachments)
        assert said[delivery_id][1].attempts == 1
    documents = list((tmp_path / "inbox").rglob("dispatch.json"))
    assert len(documents) == 3
    assert {(path.parent / "bản quét.pdf").read_bytes() for path in documents} == {scan}
    assert {(path.parent / "ghi chú.txt").read_bytes() for path in documents} == {b"note"}
    assert len(origin.content.requests) == 1, "one content, fetched once for all units"
    assert not list((tmp_path / "content").glob("[0-9a-f]*")), "handed over, so removed"


async def test_files_that_a_sink_has_taken_stay_for_the_desk_where_that_is_wanted_and_go_when_given_back(
    origin: Origin, tmp_path: Path
) -> None:
    scan = b"scan" * 50_000
    origin.content.put(scan)
    descriptor = a_descriptor(attachments=(by_reference("bản quét.pdf", scan),))
    async with running(settings_for(origin, tmp_path, keep_files=True)):
        await origin.send(descriptor, "LCA.02.05")
        await holds(lambda: bool(origin.said("arrived")))
        (handed,) = (tmp_path / "inbox").rglob("*.pdf")
        kept = tmp_path / "content" / descriptor.attachments[0].sha256
        assert handed.read_bytes() == kept.read_bytes() == scan
        assert not handed.samefile(kept), "what people do to theirs changes nothing here"
    spool = open_spool(tmp_path)
    (entry,) = list_inbox(spool)
    with spool.writing() as conn:
        noted = recalls.Noted(unit=entry.unit, by="0" * 32, notation="9", dispatch_ids=(entry.dispatch_id,))
        recalls.note(conn, [noted])
        recalls.carry_out(conn, {(entry.unit, entry.dispatch_id)})
    add_person_receipt(spool, entry.delivery_id, Status.RECALLED)
    assert not kept.exists()
    spool.close()


async def test_hello_is_said_at_each_connection_with_the_spools_own_id(origin: Origin, tmp_path: Path) -> None:
    async with running(settings_for(origin, tmp_path, sink="none")):
        await holds(lambda: bool(origin.of_type("hello")), what="hello")
    before = len(origin.of_type("hello"))
    async with running(settings_for(origin, tmp_path, sink="none")):
        await holds(lambda: len(origin.of_type("hello")) > before, what="hello again")
    spool = open_spool(tmp_path)
    hellos = origin.of_type("hello")
    assert {hello["spool_id"] for hello in hellos} == {spool.id}
    assert hellos[-1]["units"] == ["LCA.02", "LCA.02.05", "LCA.02.06"]
    spool.close()


async def test_without_a_sink_a_document_without_files_has_arrived_by_being_stored(
    origin: Origin, tmp_path: Path
) -> None:
    async with running(settings_for(origin, tmp_path, sink="none")):
        ids = await origin.send(a_descriptor(), "LCA.02", "LCA.02.05")
        await holds(lambda: set(origin.said("arrived")) == set(ids))
        assert [r.status.value for r in origin.said()[ids[0]]] == ["arrived"]
        again = origin.said("arrived")
        await origin.send(a_descriptor(), "LCA.02", "LCA.02.05", ids=ids)
        count = len(origin.messages)
        await holds(lambda: len(origin.messages) >= count + 2, what="the stored receipts go out again")
    assert origin.said("arrived") == again, "with the same ids"


async def test_a_letter_too_large_for_a_message_is_fetched_by_its_record(origin: Origin, tmp_path: Path) -> None:
    files = tuple(by_reference(f"{number}.txt", b"%d" % number * 5000) for number in range(3))
    full = a_descriptor(flash_text="x" * 2000, attachments=files)
    record, body = record_of(full)
    for data in (body, *(b"%d" % number * 5000 for number in range(3))):
        origin.content.put(data)
    stub = full.model_copy(update={"attachments": (), "flash_text": "", "record": record})
    async with running(settings_for(origin, tmp_path)):
        ids = await origin.send(stub, "LCA.02", "LCA.02.05")
        await holds(lambda: set(origin.said("arrived")) == set(ids))
    assert {r[0].content_sha256 for r in origin.said("arrived").values()} == {content_digest(files)}
    folders = [path.parent for path in (tmp_path / "inbox").rglob("dispatch.json")]
    assert [sorted(path.name for path in folder.glob("*.txt")) for folder in folders] == [
        ["0.txt", "1.txt", "2.txt"]
    ] * 2
    assert not list((tmp_path / "content").glob("[0-9a-f]*")), "the record and the files were removed"


async def test_what_is_no_descriptor_of_ours_is_dead_lettered_and_the_others_go_on(
    origin: Origin, vhost: Vhost, tmp_path: Path
) -> None:
    async with running(settings_for(origin, tmp_path, sink="none")):
        await origin.send(a_descriptor(), "LCA.02", ids=["not-an-id"])
        ids = await origin.send(a_descriptor(), "LCA.02")
        await holds(lambda: ids[0] in origin.said("arrived"))
        await holds(lambda: depth(vhost, "dead") == 1, what="the poison message in dead")


async def test_a_persons_receipt_written_by_another_process_goes_out(origin: Origin, tmp_path: Path) -> None:
    async with running(settings_for(origin, tmp_path, sink="none")):
        (delivery_id,) = await origin.send(a_descriptor(), "LCA.02")
        await holds(lambda: delivery_id in origin.said("arrived"))
        spool = open_spool(tmp_path)
        add_person_receipt(spool, delivery_id, Status.REGISTERED, register_number="57", person="Nguyễn Thị Hoa")
        await holds(lambda: delivery_id in origin.said("registered"))
        assert list_inbox(spool)[0].state is Status.REGISTERED
        spool.close()
    receipt = origin.said("registered")[delivery_id][0]
    assert (receipt.register_number, receipt.person, receipt.seq) == ("57", "Nguyễn Thị Hoa", 2)


async def test_missing_numbers_are_asked_for(origin: Origin, tmp_path: Path) -> None:
    async with running(settings_for(origin, tmp_path, sink="none", gap_after=0.2)):
        await origin.send(a_descriptor(), "LCA.02", seq=10)
        await origin.send(a_descriptor(), "LCA.02", seq=14)
        await holds(lambda: bool(origin.of_type("gap")), what="a question")
        assert origin.of_type("gap")[0] == {"unit": "LCA.02", "missing": [11, 12, 13]}


async def test_a_document_that_the_sink_refuses_is_parked_and_tried_again_when_it_is_redriven(
    origin: Origin, tmp_path: Path
) -> None:
    refuse = tmp_path / "refuse"
    refuse.touch()
    program = ("/bin/sh", "-c", f"test ! -e {refuse} || exit 65")
    async with running(settings_for(origin, tmp_path / "data", sink="command", command=program, sink_attempts=1)):
        (delivery_id,) = await origin.send(a_descriptor(), "LCA.02")
        await holds(lambda: delivery_id in origin.said("parked"))
        refuse.unlink()
        await origin.send(a_descriptor(), "LCA.02", ids=[delivery_id])
        await holds(lambda: delivery_id in origin.said("arrived"))
    assert [r.status.value for r in origin.said()[delivery_id]] == ["taken", "parked", "taken", "arrived"]


async def test_outside_a_lines_hours_only_what_is_express_comes_and_the_rest_when_they_begin(
    origin: Origin, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    hours = {"hours": f"{now + timedelta(hours=6):%H:%M}-{now + timedelta(hours=7):%H:%M}", "timezone": "UTC"}
    origin.content.units = [unit | {"opening": hours} for unit in origin.content.units]
    bulk, urgent = b"bulk" * 5000, b"urgent" * 5000
    origin.content.put(bulk)
    origin.content.put(urgent)
    async with running(settings_for(origin, tmp_path, sink="none", units_refresh=0.2)):
        (late,) = await origin.send(a_descriptor(attachments=(by_reference("a.pdf", bulk),)), "LCA.02.05")
        express = a_descriptor(attachments=(by_reference("b.pdf", urgent),), urgency=Urgency.VERY_URGENT)
        (early,) = await origin.send(express, "LCA.02.05")
        await holds(lambda: set(origin.said("taken")) == {late, early} and early in origin.said("arrived"))
        assert late not in origin.said("arrived")
        assert len(origin.content.requests) == 1
        origin.content.units = [unit | {"opening": None} for unit in origin.content.units]
        await holds(lambda: late in origin.said("arrived"))
