"""An organisation's topology applied to a test's own vhost."""

from collections.abc import AsyncIterator

import pytest

from router.broker.management import Management
from support.broker import Vhost


@pytest.fixture
async def management(vhost: Vhost) -> AsyncIterator[Management]:
    async with Management(vhost.management_url, vhost.user, vhost.password) as client:
        yield client
