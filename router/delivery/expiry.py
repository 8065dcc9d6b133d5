"""Ends what has not arrived for too long, visibly and with the reason."""

import asyncio
from collections.abc import Sequence

import structlog
from sqlalchemy import Engine, select

from router.delivery.recorder import Recorder
from router.ledger.engine import reading
from router.ledger.models import delivery
from router.ledger.way.new_receipt import NewReceipt
from schemas.clock import Clock, iso, now_ms
from schemas.events import Event
from schemas.ids import new_id
from schemas.reasons import ReasonCode
from schemas.states import UNDELIVERED, Status

log = structlog.get_logger()
_EXPIRED_AT_ONCE = 500


class Expiry:
    """Ends what has not arrived ``after`` seconds from its acceptance, or since somebody had it sent again.

    Args:
        engine: the ledger, for reading.
        recorder: writes the receipts.
        after: seconds.
        clock: the present.
    """

    def __init__(self, engine: Engine, recorder: Recorder, *, after: float, clock: Clock = now_ms) -> None:
        self._engine = engine
        self._recorder = recorder
        self._after = after
        self._clock = clock

    async def expire(self) -> None:
        """End all that is overdue now."""
        while overdue := await asyncio.to_thread(_overdue, self._engine, self._clock() - round(self._after * 1000)):
            now = self._clock()
            await self._recorder.record([_expired(key, self._after, now, again=again) for key, again in overdue])
            log.warning(Event.DELIVERIES_EXPIRED, count=len(overdue), after_s=self._after)


def _overdue(engine: Engine, before_ms: int) -> Sequence[tuple[str, bool]]:
    """Ids of deliveries that are overdue, and whether somebody had them sent again."""
    row = delivery.c
    statement = (
        select(row.id, row.redriven_at.is_not(None))
        .where(row.state.in_([state.value for state in UNDELIVERED]), row.created_at < before_ms)
        .where(row.redriven_at.is_(None) | (row.redriven_at < before_ms))
        .limit(_EXPIRED_AT_ONCE)
    )
    with reading(engine) as connection:
        return [(key, bool(again)) for key, again in connection.execute(statement)]


def _expired(delivery_id: str, after: float, now: int, *, again: bool) -> NewReceipt:
    since = "it was sent again" if again else "its acceptance"
    reason = f"had not arrived {after / 86_400:.0f} days after {since}"
    return NewReceipt(new_id(), delivery_id, Status.EXPIRED, iso(now), now, reason=reason, code=ReasonCode.EXPIRED)
