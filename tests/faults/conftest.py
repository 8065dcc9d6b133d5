from collections.abc import Iterator

import pytest

from support.broker import PatientNode


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PatientNode]:
    """A node for the faults alone, which kill it; one that runs is left to the next, for a start takes its time."""
    made = PatientNode(tmp_path_factory.mktemp("faults-node"))
    yield made
    made.kill()
