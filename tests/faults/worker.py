"""A worker of ``python -m tests.faults``: one broker of its own for all its runs."""

import tempfile
from pathlib import Path

from faults.ground import Count
from faults.trial import run
from support.broker import PatientNode
from support.counting import log_to_stderr

_nodes: list[PatientNode] = []


def begin(directory: str) -> None:
    """Make the worker's node, which is started by its first run and ends with the worker."""
    log_to_stderr()
    _nodes.append(PatientNode(Path(tempfile.mkdtemp(prefix="node-", dir=directory))))


def trial(fault: str, seed: int) -> Count:
    """One run."""
    with tempfile.TemporaryDirectory(prefix="congvan-fault-") as name:
        return run(fault, seed, _nodes[0], Path(name))
