"""A gateway says how many receipts it has given, and sends again those that the router never got."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router.broker import Outgoing, PublishOutcome, Template
from schemas.ids import new_id
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


async def test_hello_says_the_last_receipt_number_of_each_unit(origin: Origin, tmp_path: Path) -> None:
    settings = settings_for(origin, tmp_path, sink="none")
    async with running(settings):
        await holds(lambda: bool(origin.of_type("hello")))
        await origin.send(a_descriptor(), UNIT)
        await holds(lambda: len(origin.said("arrived")) == 1)
    assert "receipts" not in origin.of_type("hello")[0], "nothing was given yet, so nothing travels"
    count = len(origin.of_type("hello"))
    async with running(settings):
        await holds(lambda: len(origin.of_type("hello")) > count)
    hello = origin.of_type("hello")[-1]
    assert dict(zip(hello["units"], hello["receipts"], strict=True)) == {"LCA.02": 0, UNIT: 1, "LCA.02.06": 0}


async def test_receipts_that_the_router_asks_for_come_again_with_their_ids(origin: Origin, tmp_path: Path) -> None:
    async with running(settings_for(origin, tmp_path, sink="none")):
        for _ in range(3):
            await origin.send(a_descriptor(), UNIT)
        await holds(lambda: len(origin.said("arrived")) == 3)
        before = {receipt.seq: receipt for receipts in origin.said().values() for receipt in receipts}
        origin.messages.clear()
        template = Template("org.LCA", "ask", b'{"unit":"%s","missing":[[2,2],[3,7]]}' % UNIT.encode())
        outcomes = await origin.publisher.publish([Outgoing(template, f"{UNIT}.express", new_id())])
        assert outcomes == [PublishOutcome.CONFIRMED]
        await holds(lambda: len(origin.said("arrived")) == 2)
    after = {receipt.seq: receipt for receipts in origin.said().values() for receipt in receipts}
    assert after == {seq: before[seq] for seq in (2, 3)}
