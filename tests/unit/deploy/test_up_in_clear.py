"""What `congvan up` does not do: it serves its own machine, so a certificate would promise what it does not keep."""

from pathlib import Path

import pytest

from deploy.allinone import AllInOne, Setup
from deploy.errors import StartError
from router.settings import RouterSettings


async def test_up_with_a_certificate_says_what_serves_by_tls(tmp_path: Path) -> None:
    settings = RouterSettings(data_dir=tmp_path, http_certificate=tmp_path / "web.pem")
    with pytest.raises(StartError, match="serves this machine alone") as refused:
        async with AllInOne(settings, Setup({})):
            pass
    assert "congvan router" in refused.value.hint
