"""The suite's share of ``python -m tests.faults``: every fault with three seeds, on one installation."""

import asyncio
import random
from pathlib import Path

import pytest

from faults.ground import ground
from faults.scenarios import ON_POSTGRES, SCENARIOS, WIPED
from router.broker.node import PrivateNode

SEEDS = (1, 2, 3)


@pytest.mark.parametrize("fault", SCENARIOS)
def test_nothing_is_lost_or_doubled(fault: str, node: PrivateNode, tmp_path: Path) -> None:
    if fault in WIPED:
        node.kill()  # so that the ground is the node's own vhost
    with ground(tmp_path, node, on_postgres=fault in ON_POSTGRES) as laid:
        for seed in SEEDS:
            laid.rng = random.Random(seed)
            notes = asyncio.run(SCENARIOS[fault](laid, seed))
            count = laid.count(fault, seed)
            print(count, notes)
            assert count.clean, count
