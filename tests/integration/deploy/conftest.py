"""``congvan up`` as a process of its own, started once for the tests that only look at it."""

from collections.abc import Iterator

import pytest

from support.all_in_one import UpProcess


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpProcess]:
    process = UpProcess(tmp_path_factory.mktemp("up"))
    try:
        process.start("--example", "lao-cai")
        yield process
    finally:
        process.end()
