"""A recovery of the ledger: which units' gateways are asked for what they hold, and how far each has reported.

It is opened by an operator, because from then on what gateways report is entered. A gateway is asked after a hello that
says it can answer, and again when no answer comes; the next page is asked for when the one before is in the ledger. So
whatever is killed or lost, the next hello goes on where the ledger says that it was.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Connection, and_, bindparam, case, delete, exists, func, insert, or_, select, update

from router.ledger.bulk import insert_rows, update_rows
from router.ledger.models import dispatch, dispatch_attachment, forgotten, recovery, recovery_unit, spool, unit
from router.ledger.units.receipt_numbers import QuestionsWanted
from router.storage.statements import chunks
from schemas.deadlines import is_over

AGAIN_MS = 300_000
"""A question that is not answered is put again after a hello that comes so long after it."""
ANEW_MS = 30_000
"""Or so long after it, when a new connection's hello comes: a gateway that was started anew has forgotten it."""
SETTLING_MS = 10_000
"""A unit that has told everything and then speaks of more is asked again, but not before its last answer came."""
FURTHEST_MS = 3_600_000
_AHEAD_MS = 300_000
REBUILT = "recovered:"
"""Begins the idempotency key of a dispatch that was rebuilt; no account can name such a key, for none has its name."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """A recovery that is not ended; times are UTC ms, the counts what it has rebuilt so far."""

    id: int
    opened_at: int
    opened_by: str
    since: int
    until: int
    dispatches: int
    deliveries: int
    receipts: int


@dataclass(frozen=True, slots=True)
class NewRecovery:
    """What a recovery begins with: who opens it, when, and since when dispatches are asked for (both UTC ms)."""

    by: str
    at: int
    since: int


@dataclass(frozen=True, slots=True)
class RecountQuestion:
    """What a unit's gateway is to be asked; claimed until ``until_ms``."""

    unit: str
    since: int
    until: int
    after: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class RecountedPage:
    """A page that is recorded: where it began and ended, and how many deliveries it told."""

    unit: str
    spool_id: str
    after: int
    through: int
    more: bool
    told: int


@dataclass(frozen=True, slots=True)
class UnitStanding:
    """How far a unit has reported: deliveries so far, when it was asked and was done; ``can``: its gateway can."""

    unit: str
    told: int
    asked_at: int | None
    done_at: int | None
    can: bool


_COLUMNS = (recovery.c.id, recovery.c.opened_at, recovery.c.opened_by, recovery.c.since, recovery.c.until)
_CURRENT = select(*_COLUMNS, recovery.c.dispatches, recovery.c.deliveries, recovery.c.receipts).where(
    recovery.c.ended_at.is_(None)
)
_NOW = bindparam("now", type_=BigInteger)
_DUE = is_over(recovery_unit.c.ask_at, now=_NOW, longest=FURTHEST_MS)


def current(conn: Connection) -> Recovery | None:
    """The recovery that is not ended; None: there is none."""
    row = conn.execute(_CURRENT.order_by(recovery.c.id.desc()).limit(1)).one_or_none()
    return row and Recovery(*row)


def forgotten_since(conn: Connection) -> int | None:
    """Since when the ledger has forgotten what was accepted (UTC ms); None: nothing shows that it has.

    That is the last dispatch that it has from before what gateways report: between the two it has none.
    """
    first = conn.scalar(select(func.min(forgotten.c.made_at)).where(forgotten.c.given_up_at.is_(None)))
    if first is None:
        return None
    return conn.scalar(select(func.max(dispatch.c.accepted_at)).where(dispatch.c.accepted_at < first)) or 0


def begin(conn: Connection, opening: NewRecovery) -> None:
    """Open a recovery, or ask every unit again from the beginning in the one that is open."""
    found = current(conn)
    values = {"since": opening.since, "until": opening.at + _AHEAD_MS}
    if found is None:
        conn.execute(insert(recovery).values(**values, opened_at=opening.at, opened_by=opening.by))
    else:
        conn.execute(update(recovery).where(recovery.c.id == found.id).values(**values))
    conn.execute(delete(recovery_unit))
    able = select(unit.c.code, unit.c.spool_id).join(spool, spool.c.id == unit.c.spool_id).where(spool.c.recounts == 1)
    rows = [(code, key, opening.at) for code, key in conn.execute(able.order_by(unit.c.code))]
    insert_rows(conn, recovery_unit, ("unit", "spool_id", "ask_at"), rows)


def end(conn: Connection, now_ms: int) -> Recovery | None:
    """End the recovery: nothing that gateways hold is entered any more; None: none is open."""
    found = current(conn)
    if found is not None:
        conn.execute(update(recovery).where(recovery.c.ended_at.is_(None)).values(ended_at=now_ms))
        conn.execute(delete(recovery_unit))
    return found


def greet(conn: Connection, spool_id: str, units: Collection[str], now_ms: int, *, anew: bool) -> None:
    """A gateway that can report what it holds said hello for units; ``anew``: on a new connection."""
    if not units or current(conn) is None:
        return
    pause = ANEW_MS if anew else AGAIN_MS
    for codes in chunks(sorted(units)):
        rows = conn.execute(select(recovery_unit.c.unit, recovery_unit.c.spool_id).where(_of(codes))).all()
        known = {row[0]: row[1] for row in rows}
        new = [(code, spool_id, now_ms) for code in codes if code not in known]
        insert_rows(conn, recovery_unit, ("unit", "spool_id", "ask_at"), new, key="unit")
        other = [code for code, key in known.items() if key != spool_id]
        columns = ("unit", "spool_id", "after", "ask_at", "asked_at", "done_at")
        update_rows(conn, recovery_unit, columns, [(code, spool_id, 0, now_ms, None, None) for code in other])
        silent = and_(recovery_unit.c.done_at.is_(None), recovery_unit.c.ask_at.is_(None))
        late = or_(recovery_unit.c.asked_at.is_(None), recovery_unit.c.asked_at < now_ms - pause)
        again = case((late, now_ms), else_=recovery_unit.c.asked_at + pause)
        to_ask = silent if anew else and_(silent, late)
        conn.execute(update(recovery_unit).where(_of(codes), to_ask).values(ask_at=again))


def ask_once_more(conn: Connection, units: Mapping[str, int], now_ms: int) -> None:
    """Units speak of a delivery of this time (UTC ms) that is not in the ledger: ask those that had told everything."""
    found = current(conn) if units else None
    if found is None:
        return
    inside = sorted(code for code, made in units.items() if found.since <= made <= found.until)
    settled = recovery_unit.c.asked_at + SETTLING_MS
    for codes in chunks(inside):
        conn.execute(
            update(recovery_unit)
            .where(_of(codes), recovery_unit.c.done_at.is_not(None))
            .values(done_at=None, ask_at=case((settled > now_ms, settled), else_=now_ms))
        )


def is_due(conn: Connection, now_ms: int) -> bool:
    """Whether somebody is to be asked."""
    return bool(conn.scalar(select(exists().where(_DUE)), {"now": now_ms}))


def claim(conn: Connection, wishes: Sequence[QuestionsWanted]) -> list[list[RecountQuestion]]:
    """For each request the questions that are due; nobody else gets them before ``until_ms``."""
    return [list(_claim(conn, wish)) for wish in wishes]


def _claim(conn: Connection, wish: QuestionsWanted) -> Iterator[RecountQuestion]:
    found = current(conn)
    if found is None:
        conn.execute(delete(recovery_unit))
        return
    due = select(recovery_unit.c.unit, recovery_unit.c.after).where(_DUE).order_by(recovery_unit.c.unit)
    if conn.dialect.name == "postgresql":
        due = due.with_for_update(skip_locked=True)
    rows = conn.execute(due.limit(wish.limit), {"now": wish.now_ms}).all()
    update_rows(conn, recovery_unit, ("unit", "ask_at"), [(row[0], wish.until_ms) for row in rows])
    for code, after in rows:
        yield RecountQuestion(code, found.since, found.until, after, wish.until_ms)


def settle(conn: Connection, batches: Sequence[tuple[Sequence[RecountQuestion], int]]) -> list[None]:
    """Note questions that were put, and when (UTC ms)."""
    rows: list[dict[str, Any]] = [
        {"b_unit": item.unit, "b_until": item.until_ms, "b_at": at} for questions, at in batches for item in questions
    ]
    if rows:
        put = recovery_unit.c.unit == bindparam("b_unit"), recovery_unit.c.ask_at == bindparam("b_until")
        conn.execute(update(recovery_unit).where(*put).values(ask_at=None, asked_at=bindparam("b_at")), rows)
    return [None] * len(batches)


def note_page(conn: Connection, page: RecountedPage, now_ms: int) -> None:
    """Note that a page is recorded: the next is due at once, or the unit has told all. A copy changes nothing."""
    here = and_(
        recovery_unit.c.unit == page.unit,
        recovery_unit.c.spool_id == page.spool_id,
        recovery_unit.c.after == page.after,
        recovery_unit.c.done_at.is_(None),
    )
    conn.execute(
        update(recovery_unit)
        .where(here)
        .values(
            after=page.through,
            told=recovery_unit.c.told + page.told,
            ask_at=now_ms if page.more else None,
            done_at=None if page.more else now_ms,
        )
    )


def count(conn: Connection, key: int, *, dispatches: int, deliveries: int, receipts: int) -> None:
    """Add to what a recovery has rebuilt."""
    conn.execute(
        update(recovery)
        .where(recovery.c.id == key)
        .values(
            dispatches=recovery.c.dispatches + dispatches,
            deliveries=recovery.c.deliveries + deliveries,
            receipts=recovery.c.receipts + receipts,
        )
    )


def units(conn: Connection) -> list[UnitStanding]:
    """How far each unit that has a gateway has told, by code."""
    statement = (
        select(
            unit.c.code,
            func.coalesce(recovery_unit.c.told, 0),
            recovery_unit.c.asked_at,
            recovery_unit.c.done_at,
            func.coalesce(spool.c.recounts, 0),
        )
        .outerjoin(recovery_unit, recovery_unit.c.unit == unit.c.code)
        .outerjoin(spool, spool.c.id == unit.c.spool_id)
        .where(or_(unit.c.spool_id.is_not(None), recovery_unit.c.unit.is_not(None)))
        .order_by(unit.c.code)
    )
    return [UnitStanding(*row[:4], can=bool(row[4])) for row in conn.execute(statement)]


def contents(conn: Connection) -> list[str]:
    """The names of the contents that rebuilt dispatches name."""
    rebuilt = dispatch.c.idempotency_key.startswith(REBUILT, autoescape=True)
    named = select(dispatch_attachment.c.sha256).join(dispatch, dispatch.c.id == dispatch_attachment.c.dispatch_id)
    return list(conn.scalars(named.where(rebuilt).distinct().order_by(dispatch_attachment.c.sha256)))


def _of(codes: Sequence[str]) -> Any:
    return recovery_unit.c.unit.in_(codes)
