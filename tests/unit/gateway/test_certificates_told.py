"""A certificate that stands in the way is told at the terminal, in the reader's language first."""

from pathlib import Path

import pytest

from consumers.cli.standing import show_standing
from consumers.spool import Spool
from consumers.status import GatewayState, told, write_status
from router.tls.contexts import TlsStanding
from schemas.clock import now_ms
from schemas.reasons import WORDS, ReasonCode

EXPIRED = TlsStanding("broker", ReasonCode.TLS_EXPIRED, "it ended at 2026-11-22", "Renew the certificate.", now_ms())
STATE = GatewayState(
    units=1,
    line="down",
    opening="",
    line_rate=0,
    line_rate_up=0,
    broker="down",
    sink="working",
    sink_reason="",
    tls=told([EXPIRED]),
)


@pytest.mark.parametrize(
    ("language", "words"),
    [("vi_VN.UTF-8", WORDS[ReasonCode.TLS_EXPIRED].vi), ("en_US.UTF-8", WORDS[ReasonCode.TLS_EXPIRED].en)],
)
def test_it_is_told_with_what_was_met_and_what_to_do(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], language: str, words: str
) -> None:
    monkeypatch.setenv("LC_ALL", language)
    write_status(spool, STATE)
    show_standing(Path(spool.path).parent, as_json=False)
    shown = capsys.readouterr().out
    assert f"broker: {words} (it ended at 2026-11-22)" in " ".join(shown.split())


def test_programs_read_the_code(spool: Spool, capsys: pytest.CaptureFixture[str]) -> None:
    write_status(spool, STATE)
    show_standing(Path(spool.path).parent, as_json=True)
    assert '"code":"tls_expired"' in capsys.readouterr().out
