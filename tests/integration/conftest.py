"""PostgreSQL servers of a test's own, which it may stop, freeze and promote."""

from collections.abc import Iterator

import pytest

from support.postgres import PrivatePostgres
from support.standby import Pair


@pytest.fixture
def server() -> Iterator[PrivatePostgres]:
    """A running server."""
    made = PrivatePostgres()
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A running primary and its standby."""
    made = Pair()
    try:
        made.start()
        yield made
    finally:
        made.remove()
