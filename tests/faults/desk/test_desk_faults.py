"""Desk and gateway killed in the midst of acts, or a month without the network: nothing lost, doubled or skipped."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.desk.ground import run
from faults.desk.month import run_month
from faults.desk.sending_ground import run_sending
from support.broker import Vhost
from support.installation import Installation, installation
from support.ledgers import unit

UNITS = [unit("LCA"), unit("LCA.02"), unit("LCA.02.05")]


@pytest.fixture
def made(vhost: Vhost, tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path, vhost, UNITS) as laid:
        yield laid


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_desk_and_a_gateway_that_are_killed_at_every_act_lose_double_and_skip_nothing(
    made: Installation, seed: int
) -> None:
    count = await run(made, seed, acts=15, documents=5)
    assert count.wrong == []
    assert count.answered
    assert count.unanswered
    assert count.entries


async def test_what_was_said_in_a_month_without_the_network_arrives_once_and_in_order(made: Installation) -> None:
    count = await run_month(made, 1, days=30, acts=6, documents=8)
    assert count.wrong == []
    assert count.answered > 15
    assert count.recorded == count.receipts


@pytest.mark.parametrize("seed", [1, 2])
async def test_documents_sent_while_desk_and_gateway_are_killed_are_numbered_in_order_and_sent_once(
    tmp_path: Path, seed: int
) -> None:
    count = await run_sending(tmp_path, seed, documents=8)
    assert count.wrong == []
    assert (count.sent, count.dispatches) == (8, 8)
    assert count.unanswered + count.gateway_kills
