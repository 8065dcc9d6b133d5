"""One fault with one seed, on an installation of its own."""

import asyncio
import random
from pathlib import Path

from faults.ground import Count, Kind, ground
from faults.scenarios import KINDS, SCENARIOS, WIPED
from faults.topology import deleted_topology
from support.broker import PatientNode


def run(fault: str, seed: int, node: PatientNode, directory: Path) -> Count:
    """One fault with one seed, from an empty installation to the count.

    A node that runs is left to the next, for a start takes its time.
    """
    if fault in WIPED:
        node.kill()  # so that the ground is the node's own vhost
    try:
        with ground(directory, node, kind=KINDS.get(fault, Kind.SQLITE)) as laid:
            laid.rng = random.Random(seed)
            notes = asyncio.run(SCENARIOS[fault](laid, seed))
            count = laid.count(fault, seed)
            count.notes = notes
    except BaseException:
        node.kill()
        raise
    if fault == deleted_topology.__name__:
        node.kill()  # RabbitMQ 3.10 may be ill for good after a vhost was deleted: the next fault gets another
    return count
