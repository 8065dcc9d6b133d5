"""A desk that is killed in the midst of acts: numbers in order, entries and receipts agree, nothing twice or lost."""

from pathlib import Path

import pytest

from faults.desk.ground import run


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_desk_that_is_killed_at_every_act_loses_doubles_and_skips_nothing(tmp_path: Path, seed: int) -> None:
    count = await run(tmp_path, seed, acts=25, documents=5)
    assert count.wrong == []
    assert count.answered
    assert count.unanswered
    assert count.entries
