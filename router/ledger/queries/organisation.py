"""The tree of units as operators see it: each with what waits for it and below it, and units found by name."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select

from router.ledger.models import delivery, line, receipt, unit
from router.ledger.queries.delivery_log import place_of
from router.ledger.queries.filters import ESCAPE, OPEN
from router.ledger.queries.words import is_named
from router.ledger.scope import Scope, within
from router.rules.outages import LineState
from schemas.codes import ancestors_of
from schemas.states import Effect, Status


@dataclass(slots=True)
class Load:
    """What waits for a unit and all below it: counts of deliveries, the time of the oldest (UTC ms)."""

    waiting: int = 0
    parked: int = 0
    oldest_at: int | None = None
    delivered_today: int = 0

    def add(self, other: "Load") -> None:
        """Count another unit's load in."""
        self.waiting += other.waiting
        self.parked += other.parked
        self.delivered_today += other.delivered_today
        if other.oldest_at is not None:
            self.oldest_at = min(other.oldest_at, self.oldest_at or other.oldest_at)


@dataclass(frozen=True, slots=True)
class UnitRow:
    """A unit as the tree shows it; ``last_seen_at`` is when its gateway was last heard of (UTC ms)."""

    code: str
    name: str
    kind: str
    link: str
    parent: str | None
    note: str
    last_seen_at: int | None
    gateway_version: str | None
    line_state: LineState | None
    """None: its gateway never reported."""
    line_since: int | None
    has_children: bool
    valid_to: date | None
    successor: str | None
    paused_at: int | None
    paused_by: str | None
    paused_why: str | None
    muted_until: int | None
    muted_by: str | None
    muted_why: str | None
    load: Load = field(default_factory=Load)


_BELOW = unit.alias("below")
_ROW = (
    unit.c.code,
    unit.c.name,
    unit.c.kind,
    unit.c.link,
    unit.c.parent,
    unit.c.note,
    func.coalesce(line.c.heard_at, unit.c.last_seen_at),
    unit.c.gateway_version,
    line.c.state,
    line.c.since,
    exists().where(_BELOW.c.parent == unit.c.code),
    unit.c.valid_to,
    unit.c.successor,
    unit.c.paused_at,
    unit.c.paused_by,
    unit.c.paused_why,
    unit.c.muted_until,
    unit.c.muted_by,
    unit.c.muted_why,
)
_LINE_STATE = 8
"""Its place in a row."""


def heads(conn: Connection, scope: Scope) -> list[UnitRow]:
    """The topmost units that the scope covers, without their load."""
    return _units(conn, scope, unit.c.code.in_(topmost(conn, scope)))


def topmost(conn: Connection, scope: Scope) -> list[str]:
    """The codes of :func:`heads`."""
    if scope.everything:
        return list(conn.scalars(select(unit.c.code).where(unit.c.parent.is_(None)).order_by(unit.c.code)))
    codes = {pattern.removesuffix(".#") for pattern in scope.units}
    trees = {pattern.removesuffix(".#") for pattern in scope.units if pattern.endswith(".#")}
    return sorted(code for code in codes if not trees & set(ancestors_of(code)))


def children(conn: Connection, scope: Scope, code: str) -> list[UnitRow]:
    """The units directly below a unit, as :func:`heads`."""
    return _units(conn, scope, unit.c.parent == code)


def find_unit(conn: Connection, scope: Scope, code: str) -> UnitRow | None:
    """One unit, as :func:`heads`; None when the scope does not cover it."""
    return next(iter(find_units(conn, scope, [code])), None)


def find_units(conn: Connection, scope: Scope, codes: Sequence[str]) -> list[UnitRow]:
    """Those of the units that the scope covers, as :func:`heads`."""
    return _units(conn, scope, unit.c.code.in_(codes))


def list_unit_rows(conn: Connection, scope: Scope, *, after: str = "", limit: int = 1000) -> list[UnitRow]:
    """The units by code, as :func:`heads`: the page after a code."""
    return _units(conn, scope, unit.c.code > after, limit=limit)


def add_loads(conn: Connection, scope: Scope, rows: Iterable[UnitRow], *, since: int) -> None:
    """Give units what waits at and below each of them, as far as the scope covers it; for all of them at once.

    Args:
        conn: a transaction.
        scope: what the caller sees.
        rows: the units; their loads are filled in.
        since: when today began, UTC milliseconds.
    """
    shown = {row.code: row.load for row in rows}
    for code, load in _loads(conn, scope, _tops(shown), since).items():
        for above in (code, *ancestors_of(code)):
            if above in shown:
                shown[above].add(load)


def not_registered(conn: Connection, scope: Scope, code: str) -> tuple[int, int | None]:
    """What has arrived at a unit and nobody has acted on: how many, and since when the oldest is there (UTC ms)."""
    row = delivery.c
    waits = row.state == Status.ARRIVED.value, row.unit == code, scope.covers_unit(row.unit)
    count, oldest = conn.execute(select(func.count(), func.min(row.state_at)).where(*waits)).one()
    return count, oldest


def search_units(conn: Connection, scope: Scope, text: str, *, after: str = "", limit: int = 50) -> list[UnitRow]:
    """Units by words of their name, in any order, accents and case aside, or by how their code begins; no load.

    Args:
        conn: a transaction.
        scope: what the caller sees.
        text: the words.
        after: only those behind this code.
        limit: at most so many.
    """
    named = is_named(text)
    coded = unit.c.code.startswith(text.strip().upper(), autoescape=True, escape=ESCAPE)
    return _units(conn, scope, and_(unit.c.code > after, or_(named, coded)), limit=limit)


def search_some(
    conn: Connection, scope: Scope, text: str, stands: Callable[[str], bool], *, after: str = "", limit: int
) -> list[str]:
    """The codes of those units that :func:`search_units` finds and that stand: fewer than `limit` only at the end."""
    found: list[str] = []
    while len(found) < limit:
        rows = search_units(conn, scope, text, after=after, limit=limit)
        found += [row.code for row in rows if stands(row.code)]
        if len(rows) < limit:
            break
        after = rows[-1].code
    return found[:limit]


def muted_units(conn: Connection, scope: Scope, *, now_ms: int) -> list[UnitRow]:
    """The units that call for nobody's attention now; without their load."""
    return _units(conn, scope, unit.c.muted_until > now_ms)


def names_of(conn: Connection, scope: Scope, codes: Iterable[str]) -> dict[str, str]:
    """The names of those units that the scope covers."""
    wanted = select(unit.c.code, unit.c.name).where(unit.c.code.in_(list(codes)), scope.covers_unit(unit.c.code))
    return {row.code: row.name for row in conn.execute(wanted)}


def above_of(conn: Connection, scope: Scope, code: str) -> dict[str, str]:
    """The unit above one as the directory has it, which after a merger is not that of its code, with its name.

    Nothing: there is none, or the scope does not cover it.
    """
    above = conn.scalar(select(unit.c.parent).where(unit.c.code == code))
    return {} if above is None else names_of(conn, scope, [above])


def _units(conn: Connection, scope: Scope, which: ColumnElement[bool], limit: int | None = None) -> list[UnitRow]:
    joined = select(*_ROW).select_from(unit.outerjoin(line, line.c.unit == unit.c.code))
    statement = joined.where(which, scope.covers_unit(unit.c.code)).order_by(unit.c.code).limit(limit)
    return [_row(*row) for row in conn.execute(statement)]


def _row(*row: Any) -> UnitRow:
    state = row[_LINE_STATE]
    values: list[Any] = [*row[:_LINE_STATE], state and LineState(state), *row[_LINE_STATE + 1 :]]
    return UnitRow(*values)


def _tops(codes: Collection[str]) -> list[str]:
    """Patterns that cover the codes and all below them, as few as can be: each is one range of an index."""
    return [f"{code}.#" for code in codes if not any(above in codes for above in ancestors_of(code))]


def _loads(conn: Connection, scope: Scope, patterns: Sequence[str], since: int) -> dict[str, Load]:
    loads: defaultdict[str, Load] = defaultdict(Load)
    row, some = delivery.c, and_(within(delivery.c.unit, patterns), scope.covers_unit(delivery.c.unit))
    waiting = select(row.unit, row.state, func.count(), func.min(row.created_at)).where(row.state.in_(OPEN), some)
    for code, state, count, oldest in conn.execute(waiting.group_by(row.unit, row.state)):
        is_parked = state == Status.PARKED.value
        loads[code].add(Load(waiting=count, parked=count if is_parked else 0, oldest_at=oldest))
    for code, count in conn.execute(_arrived(conn, some, since)):
        loads[code].add(Load(delivered_today=count))
    return loads


def _arrived(conn: Connection, some: ColumnElement[bool], since: int) -> Any:
    """How many arrived at each unit today. Today's receipts come first: SQLite would begin with all deliveries."""
    told = receipt.c.status == Status.ARRIVED.value, receipt.c.effect == Effect.ADVANCE.value
    today = receipt.c.pos >= place_of(conn, since), receipt.c.recorded_at >= since
    arrived = select(receipt.c.delivery_id).where(*today, *told).cte("arrived").prefix_with("MATERIALIZED")
    counted = select(delivery.c.unit, func.count()).select_from(arrived)
    return counted.join(delivery, delivery.c.id == arrived.c.delivery_id).where(some).group_by(delivery.c.unit)
