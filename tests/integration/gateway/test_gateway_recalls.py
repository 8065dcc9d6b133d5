"""Recalls at a whole gateway: before, while and after a document is on its way to the sink."""

from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from consumers.reading.inbox import add_person_receipt, get_entry
from consumers.spool import open_spool
from schemas.descriptor import Descriptor
from schemas.dispatch import Kind, Urgency
from schemas.states import Status
from support.broker import Vhost
from support.conditions import holds
from support.content_server import content_server
from support.deliveries import a_descriptor, by_reference
from support.gateways import Origin, origin_on, running, settings_for

SCAN = b"scan" * 100_000
UNIT = "LCA.02.05"


@pytest.fixture
async def origin(vhost: Vhost) -> AsyncIterator[Origin]:
    async with content_server() as content, origin_on(vhost, content) as made:
        content.put(SCAN)
        yield made


def recall_of(original: Descriptor) -> Descriptor:
    return a_descriptor(kind=Kind.RECALL, urgency=Urgency.EXPRESS, notation="2-CV/TU", refers_to=(original.id,))


def handed_over(directory: Path) -> list[str]:
    """The dispatches in the folder."""
    return [
        orjson.loads(path.read_bytes())["dispatch"]["id"] for path in (directory / "inbox").glob("*/*/dispatch.json")
    ]


async def test_a_document_recalled_while_its_files_come_never_reaches_the_folder(
    origin: Origin, tmp_path: Path
) -> None:
    origin.content.open.clear()
    origin.content.held_from = 64 * 1024
    original = a_descriptor(attachments=(by_reference("scan.pdf", SCAN),))
    recall = recall_of(original)
    async with running(settings_for(origin, tmp_path)):
        (delivery_id,) = await origin.send(original, UNIT)
        await holds(lambda: sum(origin.content.sent.values()) > 0, what="some of the file has come")
        (recall_id,) = await origin.send(recall, UNIT)
        await holds(lambda: delivery_id in origin.said("recalled") and recall_id in origin.said("arrived"))
        content = tmp_path / "content"
        await holds(lambda: not list(content.glob("[0-9a-f]*")), what="what had come of the file is removed")
    assert handed_over(tmp_path) == [recall.id]
    assert [receipt.status.value for receipt in origin.said()[delivery_id]] == ["taken", "recalled"]
    assert origin.said("recalled")[delivery_id][0].reason == f"recalled by 2-CV/TU, dispatch {recall.id}"


@pytest.mark.parametrize("sink", ["folder", "none"])
async def test_a_document_that_its_recall_overtook_ends_when_it_comes(
    origin: Origin, tmp_path: Path, sink: str
) -> None:
    original = a_descriptor()
    async with running(settings_for(origin, tmp_path, sink=sink)):
        await origin.send(recall_of(original), UNIT)
        await holds(lambda: len(origin.said("arrived")) == 1)
        (delivery_id,) = await origin.send(original, UNIT)
        await holds(lambda: delivery_id in origin.said("recalled"))
    assert original.id not in handed_over(tmp_path)


async def test_a_document_waiting_for_a_sink_that_is_down_is_recalled(origin: Origin, tmp_path: Path) -> None:
    marker = tmp_path / "tried"
    program = ("/bin/sh", "-c", f"touch {marker}; exit 75")
    settings = settings_for(origin, tmp_path / "data", sink="command", command=program, retry_first=600, retry_max=600)
    async with running(settings):
        original = a_descriptor()
        (delivery_id,) = await origin.send(original, UNIT)
        await holds(marker.exists, what="a first try")
        await origin.send(recall_of(original), UNIT)
        await holds(lambda: delivery_id in origin.said("recalled"))
    assert "parked" not in {receipt.status.value for receipt in origin.said()[delivery_id]}


async def test_what_the_folder_has_is_given_back_by_people(origin: Origin, tmp_path: Path) -> None:
    original, recall = a_descriptor(), a_descriptor()
    async with running(settings_for(origin, tmp_path)):
        (delivery_id,) = await origin.send(original, UNIT)
        await holds(lambda: delivery_id in origin.said("arrived"))
        recall = recall_of(original)
        (recall_id,) = await origin.send(recall, UNIT)
        await holds(lambda: recall_id in origin.said("arrived"))
        spool = open_spool(tmp_path)
        assert get_entry(spool, delivery_id).state is Status.TAKE_BACK_REQUESTED
        assert delivery_id not in origin.said("recalled")
        add_person_receipt(spool, delivery_id, Status.RECALLED, person="Nguyễn Thị Hoa")
        await holds(lambda: delivery_id in origin.said("recalled"))
        spool.close()
    assert sorted(handed_over(tmp_path)) == sorted([original.id, recall.id])
