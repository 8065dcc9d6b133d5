"""The suite's share of ``python -m tests.faults``: every fault with one seed."""

import asyncio
import random
from pathlib import Path

import pytest

from faults.ground import Kind, ground
from faults.scenarios import KINDS, SCENARIOS, WIPED
from faults.topology import deleted_topology
from router.broker.node import PrivateNode

SEED = 1


@pytest.mark.parametrize("fault", SCENARIOS)
def test_nothing_is_lost_or_doubled(fault: str, node: PrivateNode, tmp_path: Path) -> None:
    if fault in WIPED:
        node.kill()  # so that the ground is the node's own vhost
    with ground(tmp_path, node, kind=KINDS.get(fault, Kind.SQLITE)) as laid:
        laid.rng = random.Random(SEED)
        notes = asyncio.run(SCENARIOS[fault](laid, SEED))
        count = laid.count(fault, SEED)
        print(count, notes)
        assert count.clean, count
    if fault == deleted_topology.__name__:
        node.kill()  # RabbitMQ 3.10 may be ill for good after a vhost was deleted: the next fault gets another
