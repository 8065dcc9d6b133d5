from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consumers.spool import open_spool
from support.desks import RunningDesk, let_in, running_desk
from support.offices import Office, office_in


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[RunningDesk]:
    """A desk of two units with people at one of them."""
    spool = open_spool(tmp_path)
    let_in(spool)
    async with running_desk(spool) as running:
        yield running
    spool.close()


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    """A desk with a gateway's way up to a real router."""
    async with office_in(tmp_path) as made:
        yield made
