"""A line is down when nothing was heard of it for too long, and only if we were there to hear it."""

import asyncio

import pytest
from sqlalchemy import Engine, select

from router.broker import SessionState
from router.delivery.hearing import Hearing
from router.delivery.line_watch import LineWatch
from router.ledger.engine import reading
from router.ledger.models import line
from router.ledger.units import presence
from router.ledger.units.presence import Report
from router.ledger.writer import Writer
from router.rules.outages import LineState
from schemas.line import LineReport
from support.conditions import holds
from support.ledgers import Clerk, unit
from support.stand_ins import SetClock, away

EVERY = 60
MISSED = 3 * EVERY


@pytest.fixture
def doubts() -> list[str]:
    return []


@pytest.fixture
def hearing(writer: Writer, clock: SetClock) -> Hearing:
    made = Hearing(writer, clock=clock)
    made.on_session(SessionState.UP)
    return made


@pytest.fixture
def watch(ledger: Engine, writer: Writer, hearing: Hearing, clock: SetClock, doubts: list[str]) -> LineWatch:
    with ledger.begin() as conn:
        Clerk(conn).units(unit("LCA"), unit("LCA.01"))
        presence.note_report(conn, ["LCA.01"], Report(LineReport(every=EVERY), clock.now, clock.now))
    return LineWatch(writer, hearing, doubt=doubts.append, clock=clock)


def is_down(ledger: Engine) -> bool:
    with reading(ledger) as conn:
        return conn.scalar(select(line.c.state).where(line.c.unit == "LCA.01")) == LineState.DOWN


async def test_three_missing_reports_mean_down_and_a_doubt_of_the_broker(
    ledger: Engine, watch: LineWatch, clock: SetClock, doubts: list[str]
) -> None:
    clock.pass_(seconds=MISSED - 1)
    await watch.look()
    assert not is_down(ledger)
    clock.pass_(seconds=2)
    await watch.look()
    assert is_down(ledger)
    assert doubts == ["lines have fallen silent"]


@pytest.mark.parametrize("state", [SessionState.DOWN, SessionState.CONNECTING, SessionState.BLOCKED])
async def test_while_the_broker_does_not_speak_to_us_nobody_is_silent(
    ledger: Engine, watch: LineWatch, hearing: Hearing, clock: SetClock, state: SessionState
) -> None:
    hearing.on_session(state)
    clock.pass_(seconds=10 * MISSED)
    await watch.look()
    assert not is_down(ledger)


async def test_after_a_reconnect_silence_counts_anew(
    ledger: Engine, watch: LineWatch, hearing: Hearing, clock: SetClock
) -> None:
    clock.pass_(seconds=10 * MISSED)
    hearing.on_session(SessionState.DOWN)
    hearing.on_session(SessionState.UP)
    await watch.look()
    assert not is_down(ledger)
    clock.pass_(seconds=MISSED + 1)
    await watch.look()
    assert is_down(ledger)


async def test_a_look_that_waited_for_the_ledger_takes_nobody_to_be_down(
    ledger: Engine, watch: LineWatch, writer: Writer, clock: SetClock, doubts: list[str]
) -> None:
    clock.pass_(seconds=MISSED + 1)
    with away(ledger):
        looking = asyncio.create_task(watch.look())
        await holds(lambda: not writer.available, what="the ledger is away")
        clock.pass_(seconds=3600)
    await looking
    assert not is_down(ledger), "what it said lies in the broker and could not be written down"
    await watch.look()
    assert not is_down(ledger), "silence counts from when the ledger was back"
    assert doubts == []
    clock.pass_(seconds=MISSED + 1)
    await watch.look()
    assert is_down(ledger)
