"""The suite's share of ``python -m tests.faults.thin_line``: a few seeds, one of them with a killed broker."""

import asyncio
from collections.abc import Iterator

import pytest

from faults.thin_line.chaos import BROKER_EVERY, run
from faults.thin_line.ground import Ground, ground
from router.broker.node import PrivateNode

SEEDS = (BROKER_EVERY - 2, BROKER_EVERY - 1, BROKER_EVERY)


@pytest.fixture(scope="module")
def laid(tmp_path_factory: pytest.TempPathFactory, node: PrivateNode) -> Iterator[Ground]:
    with ground(tmp_path_factory.mktemp("thin-faults"), node) as made:
        yield made


@pytest.mark.parametrize("seed", SEEDS)
def test_a_line_that_drops_loses_and_doubles_nothing_and_costs_no_attempt(laid: Ground, seed: int) -> None:
    count = asyncio.run(run(laid, seed))
    print(count)
    assert count.clean, count
