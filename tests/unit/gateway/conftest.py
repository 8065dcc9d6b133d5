"""A spool and its writer on a real file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from consumers.spool import Spool, Writer, open_spool


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
