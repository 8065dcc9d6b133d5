"""A standby takes over from a gateway that was silent while it could be heard, not from one that could not be."""

import asyncio

import orjson
import pytest
from sqlalchemy import Engine, select

from router.broker import Delivered, SessionState
from router.delivery.hearing import Hearing
from router.delivery.recorder import Recorder
from router.ledger.engine import reading
from router.ledger.models import spool, unit
from router.ledger.units import gateways
from router.ledger.writer import Writer
from router.rules.schedule import Silence
from schemas.clock import iso, now_ms
from schemas.ids import new_id
from schemas.line import MISSED
from support.conditions import holds
from support.ledgers import Clerk
from support.ledgers import unit as a_unit
from support.stand_ins import SetClock, StandInPublisher, away

EVERY = 60
UNIT = "LCA.01"
WORKS, STANDS_BY = new_id(), new_id()


def hello(spool_id: str) -> Delivered:
    said = {"units": [UNIT], "spool_id": spool_id, "at": iso(now_ms()), "line": {"every": EVERY}}
    return Delivered(orjson.dumps(said), "q", "k", new_id(), "hello", f"gateway:{UNIT}", {}, "", "", redelivered=False)


def working(ledger: Engine) -> str | None:
    with reading(ledger) as conn:
        found: str | None = conn.scalar(select(unit.c.spool_id).where(unit.c.code == UNIT))
    return found


def is_held_elsewhere(ledger: Engine, hearing: Hearing) -> bool:
    """What the list of units tells the standby."""
    with reading(ledger) as conn:
        return bool(gateways.held_elsewhere(conn, [UNIT], [STANDS_BY], now_ms=now_ms(), since_ms=hearing.since_ms))


@pytest.mark.parametrize("away_was", ["nobody", "broker", "ledger"])
async def test_nobody_is_replaced_who_could_not_be_heard(ledger: Engine, writer: Writer, away_was: str) -> None:
    """The broker or the ledger is away for longer than a gateway may be silent, and the standby's hello comes first."""
    with ledger.begin() as conn:
        Clerk(conn).units(a_unit("LCA"), a_unit(UNIT))
    clock = SetClock(now_ms() - 3_600_000)
    hearing = Hearing(writer, clock=clock)
    hearing.on_session(SessionState.UP)
    recorder = Recorder(writer=writer, publisher=StandInPublisher(), silence=Silence(), hearing=hearing)  # type: ignore[arg-type]
    await recorder.handle([hello(WORKS)])
    await recorder.handle([hello(STANDS_BY)])
    with ledger.begin() as conn:
        before = now_ms() - MISSED * EVERY * 1000 - 1
        conn.execute(spool.update().where(spool.c.id == WORKS).values(heard_at=before))
    if away_was == "ledger":
        with away(ledger):
            waiting = asyncio.create_task(recorder.handle([hello(STANDS_BY)]))
            await holds(lambda: not writer.available, what="the ledger is away")
            clock.now = now_ms()
            assert is_held_elsewhere(ledger, hearing)
        await waiting
    if away_was == "broker":
        hearing.on_session(SessionState.DOWN)
        clock.now = now_ms()
        assert is_held_elsewhere(ledger, hearing)
        hearing.on_session(SessionState.UP)
    clock.now = now_ms()
    assert is_held_elsewhere(ledger, hearing) is (away_was != "nobody")
    await recorder.handle([hello(STANDS_BY)])
    assert working(ledger) == (STANDS_BY if away_was == "nobody" else WORKS)
