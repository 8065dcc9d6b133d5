from collections.abc import Iterator

import pytest

from router.broker.node import PrivateNode


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateNode]:
    """A node for the faults alone, which kill it; one that runs is left to the next, for a start takes its time."""
    made = PrivateNode(tmp_path_factory.mktemp("faults-node"))
    yield made
    made.kill()
