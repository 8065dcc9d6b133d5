"""What a gateway sees of another log at the centre goes into its status file and into its hello."""

from pathlib import Path

from pydantic import SecretStr

from consumers.assembly import assemble
from consumers.settings import GatewaySettings
from consumers.spool import Writer, open_spool
from consumers.spool.log_seen import LogSeen
from schemas.clock import now_ms
from schemas.reasons import ReasonCode


async def test_an_alarm_about_the_log_is_told_by_an_assembled_gateway(tmp_path: Path) -> None:
    settings = GatewaySettings(
        data_dir=tmp_path, units="LCA.02.05", token=SecretStr("t"), amqp_url="amqp://127.0.0.1:9/x", sink="none"
    )
    spool = open_spool(tmp_path)
    writer = Writer(spool)
    parts = assemble(settings, spool, writer)
    assert parts.standing().log_alarm == ""
    parts.log_watch.seen = LogSeen("key", alarm="it has 3 entries, and had 5 before", alarm_at=now_ms())
    assert parts.standing().log_alarm == "it has 3 entries, and had 5 before"
    told = parts.presence._health()
    assert [(item.known, item.why) for item in told.troubles] == [(ReasonCode.LOG_DIFFERS, parts.log_watch.alarm.why)]
    await parts.clients.aclose()
    writer.close()
    spool.close()
