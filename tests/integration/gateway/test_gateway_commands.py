"""What a person's command writes beside a running gateway is found at once."""

from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from sqlalchemy import select

from consumers.settings import GatewaySettings
from consumers.spool import open_spool
from consumers.spool.models import outgoing
from deploy.commands.gateway_send import _put_out
from support.broker import Vhost
from support.conditions import holds
from support.content_server import content_server
from support.gateways import Origin, origin_on, running, settings_for

FAR_BELOW_A_REST = 20.0
"""Seconds; the courier of what goes up rests for 60."""


@pytest.fixture
async def origin(vhost: Vhost) -> AsyncIterator[Origin]:
    async with content_server() as content, origin_on(vhost, content) as made:
        yield made


async def test_a_document_that_a_command_sends_begins_at_once(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONGVAN_GATEWAY_UNITS", "LCA.02.#")
    scan = tmp_path / "scan.pdf"
    scan.write_bytes(b"scan")
    letter = {"issuer": "LCA.02.05", "notation": "1-BC", "subject": "Báo cáo", "addressees": ["LCA.VP"]}
    async with running(settings_for(origin, tmp_path / "data", sink="none")):
        await holds(lambda: bool(origin.of_type("hello")))
        sent = _put_out(GatewaySettings(data_dir=tmp_path / "data"), orjson.dumps(letter), [scan])
        spool = open_spool(tmp_path / "data")

        def has_begun() -> bool:
            with spool.reading() as conn:
                (row,) = conn.execute(select(outgoing.c.id, outgoing.c.state, outgoing.c.reason)).all()
            return bool(row.id == sent["id"] and (row.reason or row.state != "waiting"))

        await holds(has_begun, within=FAR_BELOW_A_REST, what="it is refused by a router that takes no uploads")
        spool.close()
