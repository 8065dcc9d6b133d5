"""A desk that is killed in the midst of acts: numbers in order, entries and receipts agree, nothing twice or lost."""

from pathlib import Path

import pytest

from faults.desk.ground import run
from faults.desk.sending_ground import run_sending


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_desk_that_is_killed_at_every_act_loses_doubles_and_skips_nothing(tmp_path: Path, seed: int) -> None:
    count = await run(tmp_path, seed, acts=25, documents=5)
    assert count.wrong == []
    assert count.answered
    assert count.unanswered
    assert count.entries


@pytest.mark.parametrize("seed", [1, 2])
async def test_documents_sent_while_desk_and_gateway_are_killed_are_numbered_in_order_and_sent_once(
    tmp_path: Path, seed: int
) -> None:
    count = await run_sending(tmp_path, seed, documents=8)
    assert count.wrong == []
    assert (count.sent, count.dispatches) == (8, 8)
    assert count.unanswered + count.gateway_kills
