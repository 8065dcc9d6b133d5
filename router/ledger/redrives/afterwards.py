"""What became of deliveries of redrives after they were watched: a later arrival, or one that came back after all."""

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, literal, select, update

from router.ledger.models import delivery, redrive, redrive_item
from router.ledger.redrives.decisions import ENDED, JobState, Outcome, settle_late
from schemas.states import UNDELIVERED, Status

_MOST = 500
_item, _row = redrive_item.c, delivery.c
_ON_THE_WAY = [state.value for state in UNDELIVERED]
# Written out, not bound: SQLite sees only then that the partial index is about just this.
_CAME = (
    select(_item.redrive_id, _item.delivery_id, _row.unit, _row.state, _row.reason)
    .select_from(redrive_item.join(delivery))
    .where(_item.outcome == literal(Outcome.UNDER_WAY.value, literal_execute=True), _row.state.not_in(_ON_THE_WAY))
    .order_by(_item.delivery_id)
    .limit(_MOST)
)
_SETTLED = (
    update(redrive_item)
    .where(_item.redrive_id == bindparam("b_redrive"), _item.delivery_id == bindparam("b_delivery"))
    .values(outcome=bindparam("b_outcome"), note=bindparam("b_note"))
)


@dataclass(frozen=True, slots=True)
class Late:
    """A redrive of which deliveries came back late: how it stands now, and what the first of them said."""

    redrive_id: str
    state: str
    note: str


def settle(conn: Connection, *, now_ms: int) -> list[Late]:
    """Note what has become of deliveries that were under way; the redrives of which some came back.

    A redrive that still goes on, or waits, stops at that as at any failure; one that has ended stays so, and shows it.
    """
    failures: defaultdict[str, list[str]] = defaultdict(list)
    rows = []
    for found in conn.execute(_CAME):
        outcome = settle_late(Status(found.state))
        note = f"{found.state}: {found.reason}" if outcome is Outcome.FAILED_LATER else ""
        rows.append(
            {
                "b_redrive": found.redrive_id,
                "b_delivery": found.delivery_id,
                "b_outcome": outcome.value,
                "b_note": note[:1000],
            }
        )
        if note:
            failures[found.redrive_id].append(f"{found.unit} {note}"[:1000])
    if rows:
        conn.execute(_SETTLED, rows)
    return [_stop(conn, key, said[0], now_ms) for key, said in sorted(failures.items())]


def _stop(conn: Connection, key: str, note: str, now_ms: int) -> Late:
    ended = [state.value for state in ENDED]
    goes_on = redrive.c.id == key, redrive.c.state.not_in([*ended, JobState.STOPPED.value])
    values = {"state": JobState.STOPPED.value, "state_at": now_ms, "note": note}
    conn.execute(update(redrive).where(*goes_on).values(values))
    return Late(key, conn.scalar(select(redrive.c.state).where(redrive.c.id == key)) or "", note)
