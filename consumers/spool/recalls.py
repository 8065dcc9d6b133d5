"""Recalls: what is called back from a unit, and what that makes of the delivery, whichever of the two came first.

A delivery that the sink has not been given ends as ``recalled`` and says so; one that it has, or may have, is the
people's to give back. Which of the two holds is decided here alone, by the columns ``state`` and ``handed`` in the
spool's writer, so an errand at the same moment has either handed it over before, or never will.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, exists, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from consumers.spool import outbox
from consumers.spool.models import content_use, inbox, letter, recall
from consumers.spool.outbox import Statement
from consumers.spool.sets import among, as_list
from schemas.clock import now_ms
from schemas.states import Status, on_recall

Pair = tuple[str, str]
"""A unit and a dispatch that is called back from it."""


@dataclass(frozen=True, slots=True)
class Noted:
    """That a unit was told to give dispatches back: by which dispatch, and what people read about it."""

    unit: str
    dispatch_ids: Sequence[str]
    by: str
    notation: str


@dataclass(frozen=True, slots=True)
class Recalled:
    """Deliveries that ended, by position, and the contents that were kept for them."""

    positions: frozenset[int] = frozenset()
    contents: frozenset[str] = frozenset()


NOTHING = Recalled()
_NEW = upsert(recall)
_NOTE = _NEW.on_conflict_do_update(
    index_elements=["unit", "dispatch_id"], set_={"by": _NEW.excluded.by, "reason": _NEW.excluded.reason}
)
_PAIRS = select(recall.c.unit, recall.c.dispatch_id).where(among(recall.c.dispatch_id, "ids"))
_CONCERNED = (
    select(
        inbox.c.pos,
        inbox.c.unit,
        inbox.c.urgency,
        inbox.c.state,
        inbox.c.handed,
        recall.c.dispatch_id,
        recall.c.reason,
    )
    .join(letter, letter.c.pos == inbox.c.letter_pos)
    .join(recall, and_(recall.c.unit == inbox.c.unit, recall.c.dispatch_id == letter.c.dispatch_id))
)
_OF_DISPATCHES = _CONCERNED.where(among(letter.c.dispatch_id, "ids"))
_AT_POSITIONS = _CONCERNED.where(among(inbox.c.pos, "positions"))
_SET = (
    update(inbox)
    .where(inbox.c.pos == bindparam("b_pos"))
    .values(state=bindparam("b_state"), state_at=bindparam("b_now"), reason=bindparam("b_reason"))
)
_USED = select(content_use.c.sha256).where(among(content_use.c.inbox_pos, "positions"))
_NO_USES = delete(content_use).where(among(content_use.c.inbox_pos, "positions"))
_FORGET = delete(recall).where(~exists().where(letter.c.dispatch_id == recall.c.by))


def note(conn: Connection, recalls: Iterable[Noted]) -> set[Pair]:
    """Keep what is called back, also for originals that come later; the pairs."""
    rows = [
        {
            "unit": item.unit,
            "dispatch_id": key,
            "by": item.by,
            "reason": f"recalled by {item.notation}, dispatch {item.by}",
        }
        for item in recalls
        for key in item.dispatch_ids
    ]
    if rows:
        conn.execute(_NOTE, rows)
    return {(row["unit"], row["dispatch_id"]) for row in rows}


def called_back(conn: Connection, pairs: Collection[Pair]) -> set[Pair]:
    """Those of the pairs that a recall has come for."""
    found = conn.execute(_PAIRS, {"ids": as_list({key for _, key in pairs})}).all()
    return {(row[0], row[1]) for row in found}.intersection(pairs) if found else set()


def called_back_anywhere(conn: Connection, dispatch_ids: Collection[str]) -> set[str]:
    """Those of the dispatches that were called back from any unit hosted here."""
    return {row[1] for row in conn.execute(_PAIRS, {"ids": as_list(dispatch_ids)})}


def letters_called_back(conn: Connection, dispatch_ids: Collection[str] | None) -> list[bytes]:
    """The descriptors of dispatches that were called back; None: of all of them."""
    of_them = select(letter.c.body).where(letter.c.dispatch_id.in_(select(recall.c.dispatch_id)))
    if dispatch_ids is None:
        return list(conn.scalars(of_them))
    return list(conn.scalars(of_them.where(among(letter.c.dispatch_id, "ids")), {"ids": as_list(dispatch_ids)}))


def carry_out(conn: Connection, pairs: Collection[Pair]) -> Recalled:
    """Let recalls have their effect on these deliveries, as far as they are here."""
    rows = conn.execute(_OF_DISPATCHES, {"ids": as_list({key for _, key in pairs})}).all() if pairs else []
    return _settle(conn, [row for row in rows if (row.unit, row.dispatch_id) in pairs])


def carry_out_at(conn: Connection, positions: Collection[int]) -> Recalled:
    """The same for deliveries at these positions, when they have come back from the sink or gone to people."""
    return _settle(conn, conn.execute(_AT_POSITIONS, {"positions": as_list(positions)}).all())


def release(conn: Connection, positions: Collection[int]) -> frozenset[str]:
    """Let go of the contents kept for these deliveries; their names."""
    values = {"positions": as_list(positions)}
    names = frozenset(conn.scalars(_USED, values))
    conn.execute(_NO_USES, values)
    return names


def forget(conn: Connection) -> None:
    """Forget what was called back by dispatches that are forgotten themselves."""
    conn.execute(_FORGET)


def _settle(conn: Connection, rows: Sequence[Any]) -> Recalled:
    outcomes = [(row, on_recall(Status(row.state), gone=row.handed)) for row in rows]
    changed = [(row, outcome) for row, outcome in outcomes if outcome is not None]
    if not changed:
        return NOTHING
    now = now_ms()
    conn.execute(
        _SET,
        [{"b_pos": row.pos, "b_state": to.value, "b_now": now, "b_reason": row.reason} for row, to in changed],
    )
    ended = [row for row, outcome in changed if outcome is Status.RECALLED]
    outbox.say(conn, [Statement(row.pos, row.unit, row.urgency, Status.RECALLED, reason=row.reason) for row in ended])
    positions = frozenset(row.pos for row in ended)
    return Recalled(positions, release(conn, positions))
