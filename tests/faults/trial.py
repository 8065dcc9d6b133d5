"""One fault with one seed, on an installation of its own."""

import asyncio
import random
import tempfile
from pathlib import Path

from faults.ground import Count, Kind, ground
from faults.scenarios import KINDS, SCENARIOS
from support.broker import PatientNode


def run(fault: str, seed: int) -> Count:
    """One fault with one seed, from an empty installation to the count."""
    with tempfile.TemporaryDirectory(prefix="congvan-fault-") as name:
        node = PatientNode(Path(name) / "node")
        try:
            with ground(Path(name), node, kind=KINDS.get(fault, Kind.SQLITE)) as laid:
                laid.rng = random.Random(seed)
                notes = asyncio.run(SCENARIOS[fault](laid, seed))
                count = laid.count(fault, seed)
                count.notes = notes
                return count
        finally:
            node.kill()
