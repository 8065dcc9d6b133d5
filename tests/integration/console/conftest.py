from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from support.consoles import Console, running_console
from support.stories import Story


@pytest.fixture
async def console(ledger: Engine, tmp_path: Path, story: Story) -> AsyncIterator[Console]:
    """A console over a filled ledger of either kind."""
    async with running_console(ledger, tmp_path, story) as running:
        yield running
