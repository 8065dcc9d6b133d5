"""The suite's share of ``python -m tests.faults``: every fault with one seed."""

from pathlib import Path

import pytest

from faults.scenarios import SCENARIOS
from faults.trial import run
from support.broker import PatientNode

SEED = 1


@pytest.mark.parametrize("fault", SCENARIOS)
def test_nothing_is_lost_or_doubled(fault: str, node: PatientNode, tmp_path: Path) -> None:
    count = run(fault, SEED, node, tmp_path)
    print(count)
    assert count.clean, count
