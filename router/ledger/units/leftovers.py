"""What still waits for a unit that was merged or abolished: listed, handed on to the unit that took over, or ended.

Nobody takes it from the broker any more, so it would be sent in vain until it expires. Its delivery ends here with the
reason; when it is handed on, its document goes to the other unit under a delivery of that unit's own.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select, update

from router.errors import ActRefusedError, NotFoundError
from router.ledger.bulk import insert_rows
from router.ledger.models import delivery, dispatch
from router.ledger.models import unit as unit_table
from router.ledger.people import audit
from router.ledger.people.audit import Act, AuditEntry, By
from router.ledger.way import owing, retention
from router.ledger.way.acceptance import log_deliveries, paused_units, reserve_sequences
from router.ledger.way.new_receipt import NewReceipt
from router.ledger.way.receipts import apply
from router.rules.schedule import Silence, is_reachable
from router.storage.statements import chunks
from schemas.clock import iso
from schemas.ids import new_id
from schemas.reasons import ReasonCode
from schemas.states import UNDELIVERED, Status
from schemas.unit import Link

WAITING = tuple(sorted(state.value for state in UNDELIVERED | {Status.PARKED, Status.EXPIRED}))
"""States of a delivery that its unit has not got."""
_COLUMNS = (
    *("id", "dispatch_id", "unit", "seq", "link", "urgency", "state", "state_at", "reason"),
    *("reason_code", "created_at", "next_due_at", "due_at", "paused"),
    *owing.COLUMNS,
)
_HANDED = update(delivery).where(delivery.c.id == bindparam("b_id")).values(handed_to=bindparam("b_heir"))


@dataclass(frozen=True, slots=True)
class Leftover:
    """A delivery that waits for a unit; times are UTC ms."""

    delivery_id: str
    dispatch_id: str
    notation: str
    subject: str
    state: Status
    created_at: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What was done with the leftovers of a unit: delivery ids that were handed on, and that ended without that.

    ``left`` are those that expired so long ago that the retention has removed their contents.
    """

    unit: str
    heir: str
    handed_on: tuple[str, ...]
    ended: tuple[str, ...]
    left: tuple[str, ...] = ()


def leftovers(conn: Connection, code: str, *, limit: int = 1000) -> list[Leftover]:
    """What waits for a unit, the oldest first."""
    row, letter = delivery.c, dispatch.c
    columns = row.id, row.dispatch_id, letter.notation, letter.subject, row.state, row.created_at
    rows = conn.execute(_waiting(code, *columns).limit(limit))
    return [Leftover(key, of, notation, subject, Status(state), at) for key, of, notation, subject, state, at in rows]


def hand_on(conn: Connection, code: str, heir: str, by: By, *, day: date) -> Settled:
    """Send what waits for a unit that is gone to another; what that one has got already, or was recalled, just ends.

    What expired so long ago that its contents are gone stays, for `give_up`, or for when they are brought again.

    Args:
        conn: a transaction that writes.
        code: the unit that exists no more.
        heir: the unit to send to; empty: its successor.
        by: who, why and when.
        day: the present day.

    Raises:
        NotFoundError: one of the units is not there.
        ActRefusedError: the unit exists, it has no successor, or the other does not exist or is never an addressee.
    """
    gone = _require_gone(conn, code, day)
    to = _require_heir(conn, gone, heir, day)
    rows = _lock(conn, code)
    has = set(_having(conn, to.code, [row.dispatch_id for row in rows]))
    going = [row for row in rows if row.dispatch_id not in has and row.recalled_by is None]
    lacking = retention.want_again(conn, {row.dispatch_id for row in going})
    going = [row for row in going if row.dispatch_id not in lacking]
    made = _make(conn, to, going, by)
    reasons = {row.id: f"{code} exists no more; handed on to {to.code} as delivery {made[row.id]}" for row in going}
    rest = {row.id: f"{code} exists no more; {to.code} has the document already" for row in rows}
    settled = [row for row in rows if row.dispatch_id not in lacking]
    _end(conn, settled, rest | reasons, by)
    _mark(conn, settled, to.code)
    ended = tuple(row.id for row in settled if row.id not in made)
    done = Settled(code, to.code, tuple(made), ended, tuple(row.id for row in rows if row not in settled))
    _note(conn, done, by)
    return done


def give_up(conn: Connection, code: str, by: By, *, day: date) -> Settled:
    """End what waits for a unit that is gone; nobody gets it.

    Raises:
        NotFoundError: the unit is not there.
        ActRefusedError: it exists.
    """
    _require_gone(conn, code, day)
    rows = _lock(conn, code)
    _end(conn, rows, {row.id: f"{code} exists no more: {by.why}" for row in rows}, by)
    _mark(conn, rows, "")
    done = Settled(code, "", (), tuple(row.id for row in rows))
    _note(conn, done, by)
    return done


def _mark(conn: Connection, rows: Sequence[Any], heir: str) -> None:
    """It is settled, and no longer needs attention."""
    if rows:
        conn.execute(_HANDED, [{"b_id": row.id, "b_heir": heir} for row in rows])


def _waiting(code: str, *columns: Any) -> Select[Any]:
    here = delivery.c.unit == code, delivery.c.state.in_(WAITING), delivery.c.handed_to.is_(None)
    return select(*columns).select_from(delivery.join(dispatch)).where(*here).order_by(delivery.c.id)


def _lock(conn: Connection, code: str) -> Sequence[Any]:
    row = delivery.c
    statement = _waiting(code, row.id, row.dispatch_id, row.urgency, row.recalled_by, row.state, row.due_at)
    return conn.execute(statement.with_for_update(of=delivery) if _locks(conn) else statement).all()


def _locks(conn: Connection) -> bool:
    return conn.dialect.name == "postgresql"


def _require_gone(conn: Connection, code: str, day: date) -> Any:
    found = _unit(conn, code)
    if found.valid_to is None or found.valid_to >= day:
        raise ActRefusedError(
            f"{code} exists{f' until {found.valid_to}' if found.valid_to else ''}, so what waits for it may still go",
            hint="`congvan units retire` ends a unit",
        )
    return found


def _require_heir(conn: Connection, gone: Any, heir: str, day: date) -> Any:
    seen = {gone.code}
    code = heir or gone.successor or ""
    if not code:
        raise ActRefusedError(f"{gone.code} has no successor", hint="name a unit with --to, or use `units give-up`")
    to = _unit(conn, code)
    while not heir and to.valid_to is not None and to.valid_to < day and to.successor and to.successor not in seen:
        seen.add(to.code)
        to = _unit(conn, to.successor)
    ended = to.valid_to is not None and to.valid_to < day
    begins = to.valid_from is not None and to.valid_from > day
    if ended or begins or to.link == Link.EXCLUDED or to.code == gone.code:
        raise ActRefusedError(f"{to.code} is no addressee today", hint="name another unit with --to")
    return to


def _unit(conn: Connection, code: str) -> Any:
    found = conn.execute(select(unit_table).where(unit_table.c.code == code)).first()
    if found is None:
        raise NotFoundError(f"there is no unit {code}", hint="`congvan units tree` shows all")
    return found


def _having(conn: Connection, code: str, dispatch_ids: Sequence[str]) -> list[str]:
    found: list[str] = []
    for some in chunks(dispatch_ids):
        mine = select(delivery.c.dispatch_id).where(delivery.c.unit == code, delivery.c.dispatch_id.in_(some))
        found += conn.scalars(mine)
    return found


def _make(conn: Connection, to: Any, rows: Sequence[Any], by: By) -> dict[str, str]:
    """The new delivery of each old one, by its id."""
    if not rows:
        return {}
    seq = reserve_sequences(conn, Counter({to.code: len(rows)}))[to.code]
    paused, reachable = to.code in paused_units(conn), is_reachable(to.link)
    due = by.now_ms if reachable and not paused else None
    reason = "" if reachable else ReasonCode.NO_LINE.value
    made, owed = {row.id: new_id() for row in rows}, owing.by_office()
    new = [
        (
            *(made[row.id], row.dispatch_id, to.code, seq + place, to.link, row.urgency, Status.PENDING.value),
            *(by.now_ms, reason, reason, by.now_ms, due, row.due_at, int(paused)),
            *owed.of(Status.PENDING, by.now_ms, row.urgency, row.due_at),
        )
        for place, row in enumerate(rows)
    ]
    insert_rows(conn, delivery, _COLUMNS, new)
    log_deliveries(conn, new)
    for some in chunks([row.dispatch_id for row in rows]):
        conn.execute(update(dispatch).where(dispatch.c.id.in_(some)).values(total=dispatch.c.total + 1))
    return made


def _end(conn: Connection, rows: Sequence[Any], reasons: dict[str, str], by: By) -> None:
    """What a recall waits for ends as recalled, the rest as expired; the log says why."""
    entries = [
        NewReceipt(
            new_id(),
            row.id,
            Status.RECALLED if row.recalled_by else Status.EXPIRED,
            iso(by.now_ms),
            by.now_ms,
            reason=reasons[row.id],
            person=by.who,
            code=ReasonCode.UNIT_GONE,
        )
        for row in rows
    ]
    apply(conn, entries, Silence())


def _note(conn: Connection, done: Settled, by: By) -> None:
    if count := len(done.handed_on) + len(done.ended):
        act = Act.HANDED_ON if done.heir else Act.WAITING_ENDED
        subject = f"{done.unit} → {done.heir}" if done.heir else done.unit
        audit.record(conn, AuditEntry(by.now_ms, by.who, act, subject, done.unit, f"{by.why} ({count})", by.address))
