"""The suite's share of ``python -m tests.faults.upward``: two seeds."""

import asyncio
from pathlib import Path

import pytest

from faults.upward.ground import ground, run
from support.broker import Vhost


@pytest.mark.parametrize("seed", [2, 8])
def test_what_a_unit_sends_is_accepted_once_whatever_drops_or_dies(vhost: Vhost, tmp_path: Path, seed: int) -> None:
    with ground(tmp_path, vhost) as laid:
        count = asyncio.run(run(laid, seed))
    print(count)
    assert count.clean, count
