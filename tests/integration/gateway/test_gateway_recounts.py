"""A gateway on a real broker says what its spool holds, and tells it when the router asks."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router.broker import Outgoing, PublishOutcome, Template
from schemas.ids import new_id
from schemas.model import parse
from schemas.recount import Kept, Recount, read_memory
from support.broker import Vhost
from support.conditions import holds
from support.content_server import content_server
from support.deliveries import a_descriptor
from support.gateways import Origin, origin_on, running, settings_for

UNIT = "LCA.02.05"


@pytest.fixture
async def origin(vhost: Vhost) -> AsyncIterator[Origin]:
    async with content_server() as content, origin_on(vhost, content) as made:
        yield made


async def test_a_gateway_tells_what_it_holds_when_it_is_asked_also_after_it_was_started_anew(
    origin: Origin, tmp_path: Path
) -> None:
    settings = settings_for(origin, tmp_path, sink="none")
    letter = a_descriptor()
    async with running(settings):
        (key,) = await origin.send(letter, UNIT)
        await holds(lambda: len(origin.said("arrived")) == 1)
    origin.messages.clear()
    question = Recount(unit=UNIT, since=0, until=2**48 - 1)
    body = question.model_dump_json(exclude_defaults=True).encode()
    template = Template("org.LCA", "recount", body)
    asked = await origin.publisher.publish([Outgoing(template, f"{UNIT}.express", new_id())])
    assert asked == [PublishOutcome.CONFIRMED]
    async with running(settings):
        await holds(lambda: bool(origin.of_type("kept") and origin.of_type("hello")))
    (answer,) = [item for item in origin.messages if item.type == "kept"]
    kept = parse(Kept, answer.body, what="page")
    assert answer.user_id == "gateway:LCA.02.#"
    assert [(item.id, item.descriptor, item.seq) for item in kept.deliveries] == [(key, letter, 1)]
    assert [receipt.status.value for receipt in kept.deliveries[0].receipts] == ["arrived"]
    hello = next(item for item in origin.messages if item.type == "hello")
    told = read_memory(hello.headers, ["LCA.02", UNIT, "LCA.02.06"])
    assert told is not None
    assert (told.newest, told.unit, told.highest[UNIT]) == (key, UNIT, 1)
