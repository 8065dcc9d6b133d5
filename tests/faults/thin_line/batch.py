"""Some seeds of the thin line's faults on one installation."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from faults.thin_line.chaos import run
from faults.thin_line.ground import Count, ground
from support.broker import PatientNode


def run_batch(seeds: Sequence[int]) -> list[Count]:
    """Some seeds on one installation."""
    with tempfile.TemporaryDirectory(prefix="congvan-thin-") as name:
        node = PatientNode(Path(name) / "node")
        try:
            with ground(Path(name), node) as laid:
                return [asyncio.run(run(laid, seed)) for seed in seeds]
        finally:
            node.kill()
