"""Sequence numbers that are missing: when each is asked for, and when no longer.

The two lanes of a unit overtake each other, so a number below the highest is no gap while it may still wait in a
queue: only when both lanes have passed it, or have been quiet for a while.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select, update

from consumers.spool.models import gap, unit
from consumers.spool.scope import UnitScope
from schemas.clock import now_ms
from schemas.deadlines import is_over

MAX_ASKS = 8
"""After so many questions, each pause twice the last, a number is left to the ledger, which repeats what is silent.

It stays known, and a person may have it asked for anew."""
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
_IS_ASKED = gap.c.asked < MAX_ASKS
_DUE = select(gap.c.unit, gap.c.seq).where(_IS_ASKED, _IS_DUE).order_by(gap.c.unit, gap.c.seq)
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
    """Note that numbers were asked for: the next question comes after twice the pause; in the end none does."""
    now = now_ms()
    rows = [
        {"b_unit": item.unit, "b_seq": seq, "b_now": now, "b_pause": item.pause_ms}
        for item in items
        for seq in item.missing
    ]
    conn.execute(_NOTE, rows)
    return [None] * len(items)


def count(conn: Connection) -> int:
    """Sequence numbers that are missing and asked for."""
    return conn.scalar(select(func.count()).select_from(gap).where(_IS_ASKED)) or 0


@dataclass(frozen=True, slots=True)
class MissingNumber:
    """A number that has not come: how often it was asked for, and when it is next (UTC ms; None: not by itself)."""

    seq: int
    asked: int
    ask_at: int | None


@dataclass(frozen=True, slots=True)
class Completeness:
    """What a unit knows of its own series: how many numbers are missing, the first of those, the highest that came.

    ``highest`` is None, and none is named, for whoever is not to see the unit's secrets: these have numbers of the same
    series, and numbers and documents can be counted.
    """

    unit: str
    missing: int
    highest: int | None = None
    first: tuple[MissingNumber, ...] = ()


def completeness(conn: Connection, units: UnitScope, code: str, *, limit: int) -> Completeness:
    """The series of one of the units; at most ``limit`` missing numbers are named."""
    of_unit = gap.c.unit == code
    missing = conn.scalar(select(func.count()).select_from(gap).where(of_unit)) or 0
    if code not in units.secret:
        return Completeness(code, missing)
    rows = conn.execute(select(gap).where(of_unit).order_by(gap.c.seq).limit(limit))
    named = tuple(MissingNumber(row.seq, row.asked, row.ask_at if row.asked < MAX_ASKS else None) for row in rows)
    highest = conn.scalar(select(unit.c.highest_seq).where(unit.c.code == code)) or 0
    return Completeness(code, missing, highest, named)


def ask_anew(conn: Connection, code: str) -> int:
    """Have all missing numbers of a unit asked for as soon as the line allows; how many there are."""
    return conn.execute(update(gap).where(gap.c.unit == code).values(asked=0, ask_at=now_ms())).rowcount
