"""A line on which no content comes though the broker is reached is told to the router, with its reason."""

from pathlib import Path

from consumers.errors import LineError
from consumers.line.state import TROUBLE_SECONDS, Line
from consumers.reporting.health import health_of
from consumers.taking.room import Room
from router.broker import SessionState
from schemas.clock import now_ms
from schemas.reasons import WORDS, ReasonCode


def test_a_stall_of_a_minute_is_a_trouble_and_one_of_a_moment_is_none(tmp_path: Path) -> None:
    line, room = Line(), Room(tmp_path, reserve_bytes=0)
    line.broker_is(SessionState.UP)
    assert health_of([], room, line, now_ms=now_ms()).troubles == ()
    line.lost(LineError("nothing large gets through"))
    began = line.stalled_since
    assert health_of([], room, line, now_ms=began + 1000).troubles == ()
    (told,) = health_of([], room, line, now_ms=began + round(TROUBLE_SECONDS * 1000)).troubles
    assert (told.known, told.seconds, told.why) == (ReasonCode.LINE_STALLED, 60, "nothing large gets through")
    line.broker_is(SessionState.DOWN)
    assert health_of([], room, line, now_ms=began + 10**6).troubles == (), "a line that is down is no stall"


def test_every_reason_has_its_words() -> None:
    assert set(WORDS) == set(ReasonCode)
