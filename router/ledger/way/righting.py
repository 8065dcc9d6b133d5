"""Puts right what a clock that was ahead left: deliveries that would wait for a time that nobody meant.

What is due is found in the outbox by its index alone, so that each look is quick; what was put too far ahead is looked
for less often, here.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, and_, exists, func, or_, select, update

from router.ledger.models import delivery, receipt
from router.ledger.way import counting
from router.rules.schedule import LONGEST_RETRY_MS, Silence
from schemas.deadlines import is_misset
from schemas.dispatch import Urgency
from schemas.states import UNDELIVERED, Status

_NOT_SENT = [Status.PENDING.value, Status.REDRIVEN.value]
_WITH_THE_UNIT = [Status.QUEUED.value, Status.TAKEN.value]
_MAY_STILL_GO = [*(state.value for state in UNDELIVERED), Status.PARKED.value, Status.EXPIRED.value]
_LATEST = 1000
"""Rows of the log that are looked at for times that have yet to come."""
ROUTERS_DIFFER_MS = 60_000
"""How far the clocks of two routers on one ledger may be apart."""


@dataclass(frozen=True, slots=True)
class Waits:
    """How long a delivery waits at most: for a unit to say something, and for a relay that has claimed it."""

    silence: Silence
    lease_ms: int


def put_right(conn: Connection, now_ms: int, waits: Waits) -> int:
    """Have deliveries due that wait for longer than anything does, and none stand in its state since the future.

    Args:
        conn: a transaction that writes.
        now_ms: the present, UTC ms.
        waits: the longest waits of this router.

    Returns:
        How many are due now.
    """
    row = delivery.c
    claimed_or_tried = max(waits.lease_ms, LONGEST_RETRY_MS) + ROUTERS_DIFFER_MS
    at_once = or_(
        is_misset(row.next_due_at, now=now_ms, longest=claimed_or_tried),
        (row.claimed == 0) & is_misset(row.next_due_at, now=now_ms, longest=ROUTERS_DIFFER_MS),
    )
    silent = is_misset(row.next_due_at, now=now_ms, longest=waits.silence.longest + ROUTERS_DIFFER_MS)
    by_index = row.urgency.in_([int(item) for item in Urgency])
    due = 0
    for condition in (and_(row.state.in_(_NOT_SENT), at_once), and_(by_index, silent, row.state.in_(_WITH_THE_UNIT))):
        due += conn.execute(update(delivery).where(condition).values(next_due_at=now_ms)).rowcount
    if due or _was_ahead(conn, now_ms):
        ahead = row.state.in_(_MAY_STILL_GO), is_misset(row.state_at, now=now_ms, longest=ROUTERS_DIFFER_MS)
        parked = conn.scalars(select(row.id).where(*ahead, row.state == Status.PARKED.value)).all()
        conn.execute(update(delivery).where(*ahead).values(state_at=now_ms))
        counting.recount(conn, parked)  # of the others no term hangs on since when
    return due


def _was_ahead(conn: Connection, now_ms: int) -> bool:
    """Whether something was accepted, or lately recorded, at a time that has yet to come."""
    accepted = is_misset(delivery.c.created_at, now=now_ms, longest=ROUTERS_DIFFER_MS)
    latest = select(func.coalesce(func.max(receipt.c.pos), 0) - _LATEST).scalar_subquery()
    recorded = receipt.c.pos > latest, is_misset(receipt.c.recorded_at, now=now_ms, longest=ROUTERS_DIFFER_MS)
    return bool(conn.scalar(select(or_(exists().where(accepted), exists().where(*recorded)))))
