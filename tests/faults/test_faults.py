"""The suite's share of ``python -m tests.faults``: every fault, over three seeds; the random kills with all."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.ground import ground
from faults.scenarios import ON_POSTGRES, SCENARIOS, killed_at_random
from router.broker.node import PrivateNode

SEEDS = (1, 2, 3)
ONCE = [(name, SEEDS[index % len(SEEDS)]) for index, name in enumerate(SCENARIOS) if name != killed_at_random.__name__]
CASES = [(killed_at_random.__name__, seed) for seed in SEEDS] + ONCE


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateNode]:
    made = PrivateNode(tmp_path_factory.mktemp("faults-node"))
    yield made
    made.kill()


@pytest.mark.parametrize(("fault", "seed"), CASES)
def test_nothing_is_lost_or_doubled(fault: str, seed: int, node: PrivateNode, tmp_path: Path) -> None:
    with ground(tmp_path, node, seed, on_postgres=fault in ON_POSTGRES) as laid:
        notes = asyncio.run(SCENARIOS[fault](laid, seed))
        count = laid.count(fault, seed)
        print(count, notes)
    assert count.clean, count
