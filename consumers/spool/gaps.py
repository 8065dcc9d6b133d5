"""Sequence numbers that are missing: when each is asked for, and when no longer.

The two lanes of a unit overtake each other, so a number below the highest is no gap while it may still wait in a
queue: only when both lanes have passed it, or have been quiet for a while.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, func, select, update

from consumers.spool.models import gap
from schemas.clock import now_ms
from schemas.deadlines import is_over

MAX_ASKS = 8
"""After so many questions, each pause twice the last, a number is left to the ledger, which repeats what is silent."""
_DUE_LIMIT = 5000


@dataclass(frozen=True, slots=True)
class LaneProgress:
    """How far a lane has come: the highest number seen in this run, and when the last message came (UTC ms)."""

    highest: int = 0
    last_at: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """Numbers of a unit that were asked for; ``pause_ms`` is the first pause before they are asked for again."""

    unit: str
    missing: tuple[int, ...]
    pause_ms: int


_IS_DUE = is_over(gap.c.ask_at, now=bindparam("now"), longest=bindparam("longest"))
_DUE = select(gap.c.unit, gap.c.seq).where(_IS_DUE).order_by(gap.c.unit, gap.c.seq)
_NOTE = (
    update(gap)
    .where(gap.c.unit == bindparam("b_unit"), gap.c.seq == bindparam("b_seq"))
    .values(
        asked=gap.c.asked + 1,
        ask_at=bindparam("b_now") + bindparam("b_pause").op("<<")(gap.c.asked + 1),
    )
)


def passed(seq: int, lanes: Sequence[LaneProgress], *, now: int, quiet_since: int, quiet_ms: int) -> bool:
    """Whether a number that has not come cannot still be waiting in a lane.

    Args:
        seq: the number.
        lanes: how far each lane of the unit has come.
        now: UTC milliseconds.
        quiet_since: since when the connection has been up (UTC milliseconds).
        quiet_ms: a lane from which nothing came for so long is taken to be empty.
    """
    return all(lane.highest > seq or now - max(lane.last_at, quiet_since) >= quiet_ms for lane in lanes)


def due(conn: Connection, *, pause_ms: int) -> Mapping[str, list[int]]:
    """Missing numbers whose time to be asked for has come, by unit, lowest first; ``pause_ms`` is the first pause."""
    found: dict[str, list[int]] = {}
    for code, seq in conn.execute(_DUE.limit(_DUE_LIMIT), {"now": now_ms(), "longest": pause_ms << MAX_ASKS}):
        found.setdefault(code, []).append(seq)
    return found


def note_asked(conn: Connection, items: Sequence[Asked]) -> list[None]:
    """Note that numbers were asked for: the next question comes after twice the pause; in the end they are dropped."""
    now = now_ms()
    rows = [
        {"b_unit": item.unit, "b_seq": seq, "b_now": now, "b_pause": item.pause_ms}
        for item in items
        for seq in item.missing
    ]
    conn.execute(_NOTE, rows)
    conn.execute(delete(gap).where(gap.c.asked >= MAX_ASKS))
    return [None] * len(items)


def count(conn: Connection) -> int:
    """Sequence numbers that are missing."""
    return conn.scalar(select(func.count()).select_from(gap)) or 0
