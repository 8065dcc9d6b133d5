"""A spool and its writer on a real file."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consumers.spool import Spool, Writer, open_spool
from consumers.spool.store import FILE_NAME
from support.books import on_paper, register, submit
from support.deliveries import came
from support.desks import let_in


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = open_spool(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def writer(spool: Spool) -> Iterator[Writer]:
    made = Writer(spool)
    yield made
    made.close()


@pytest.fixture(scope="session")
def spool_factory(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Spool]:
    """Makes empty spools from one: its revisions take longer than most of what is done to a spool."""
    made = tmp_path_factory.mktemp("spool")
    open_spool(made).close()
    empty = (made / FILE_NAME).read_bytes()

    def begin() -> Spool:
        directory = tmp_path_factory.mktemp("spool")
        (directory / FILE_NAME).write_bytes(empty)
        return open_spool(directory)

    return begin


@pytest.fixture
def lost(spool_factory: Callable[[], Spool]) -> Spool:
    """A spool in which people worked, before it is lost."""
    made = spool_factory()
    let_in(made)
    first, second = came(made, seq=1), came(made, seq=2)
    register(made, first)
    on_paper(made)
    register(made, second)
    submit(made, second)
    came(made, seq=3)
    return made
