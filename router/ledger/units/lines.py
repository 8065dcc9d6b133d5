"""Brings deliveries in line with their units: what waited for a line or a pause is sent, what lost its line waits.

A delivery notes its unit's link, and whether the unit is paused, when it is made. Both may change later, and a dispatch
that is accepted at the same moment may still note the old; so deliveries are compared with their units.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, case, or_, select, update

from router.ledger.models import delivery, unit
from router.rules.schedule import is_reachable
from schemas.reasons import ReasonCode
from schemas.states import UNDELIVERED, Status

_ON_THE_WAY = [state.value for state in UNDELIVERED]
_MAY_STILL_GO = [*_ON_THE_WAY, Status.PARKED.value, Status.EXPIRED.value]
_IS_PAUSED = case((unit.c.paused_at.is_not(None), 1), else_=0)
_MOVED = (
    select(delivery.c.unit, delivery.c.link, unit.c.link, delivery.c.paused, _IS_PAUSED)
    .join(unit, unit.c.code == delivery.c.unit)
    .where(
        delivery.c.state.in_(_MAY_STILL_GO),
        or_(delivery.c.link != unit.c.link, delivery.c.paused != _IS_PAUSED),
    )
    .distinct()
)


@dataclass(frozen=True, slots=True)
class Aligned:
    """How many deliveries were set going, and how many wait from now on."""

    released: int
    held: int


def align(conn: Connection, now_ms: int) -> Aligned:
    """Give the deliveries that are not there yet the links and pauses that their units have now.

    Args:
        conn: a transaction that writes.
        now_ms: when released deliveries are due, UTC milliseconds.
    """
    released = held = 0
    for code, before, after, was_paused, is_paused in conn.execute(_MOVED).all():
        kept = _Kept(code, before, was_paused)
        now = {"link": after, "paused": is_paused, **_reason(before, after)}
        had, has = is_reachable(before) and not was_paused, is_reachable(after) and not is_paused
        if has and not had:
            released += _change(conn, kept, _ON_THE_WAY, now | {"next_due_at": now_ms})
        elif had and not has:
            held += _change(conn, kept, _ON_THE_WAY, now | {"next_due_at": None})
        else:
            _change(conn, kept, _ON_THE_WAY, now)
        _change(conn, kept, _MAY_STILL_GO, {"link": after, "paused": is_paused})
    return Aligned(released, held)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What deliveries to a unit note of it."""

    code: str
    link: str
    paused: int


def _reason(before: str, after: str) -> Mapping[str, Any]:
    """Of a delivery on its way: that it waits for a line, or no longer so."""
    row, no_line = delivery.c, ReasonCode.NO_LINE.value
    if is_reachable(after):
        waited = row.reason_code == no_line
        return {name: case((waited, ""), else_=row[name]) for name in ("reason", "reason_code")}
    return {"reason": no_line, "reason_code": no_line} if is_reachable(before) else {}


def _change(conn: Connection, kept: _Kept, states: Sequence[str], values: Mapping[str, Any]) -> int:
    row = delivery.c
    concerned = row.unit == kept.code, row.link == kept.link, row.paused == kept.paused, row.state.in_(states)
    return conn.execute(update(delivery).where(*concerned).values(values)).rowcount
