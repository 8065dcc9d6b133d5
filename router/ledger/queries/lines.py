"""Lines as operators see them: how each stands now, and when it was down.

- :func:`find_line`, :func:`list_lines`: how the lines of a scope stand. A unit whose gateway never reported has none.
- :func:`outages`: every outage of a scope that touches an interval, the open ones too; the latest first.
- :func:`downtimes`: per unit, how often and how long its line was down within an interval.

``told_by`` tells the exact from the noticed: a gateway's report has both edges, silence lasts from the last sign to the
next. An outage that was only noticed is replaced by the gateway's when that comes, so figures of the last minutes may
still change. The indexes ``(unit, ended_at)`` and ``(ended_at)`` serve all of it: an interval is a range of ends, and
what is open has no end.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, or_, select, true

from router.ledger.models import line, outage, unit
from router.ledger.scope import Scope, within
from router.rules.outages import LineState, ToldBy

MAX_ROWS = 1000
_TOGETHER = 3


@dataclass(frozen=True, slots=True)
class LineRow:
    """How a line stands; times are UTC ms, rates bytes/s or None where never measured.

    ``clock_skew_ms`` is the gateway's clock minus ours; ``every_ms`` how often it reports while the line is up.
    """

    unit: str
    name: str
    link: str
    state: LineState
    since: int
    known_since: int
    """When its gateway first reported: what was before was observed by nobody."""
    heard_at: int
    every_ms: int
    rate_down: int | None
    rate_up: int | None
    clock_skew_ms: int
    gateway_version: str | None

    def observed(self, since: int, until: int) -> int:
        """For how long it was observed within an interval, ms."""
        return max(until - max(since, self.known_since), 0)


@dataclass(frozen=True, slots=True)
class OutageRow:
    """A time that a line was down (UTC ms); ``ended_at`` is None while it is."""

    unit: str
    name: str
    began_at: int
    ended_at: int | None
    told_by: ToldBy


@dataclass(frozen=True, slots=True)
class Downtime:
    """What a unit's outages add up to within an interval: how many touch it, and their milliseconds in it."""

    outages: int = 0
    down_ms: int = 0


_LINE = (
    line.c.unit,
    unit.c.name,
    unit.c.link,
    line.c.state,
    line.c.since,
    line.c.known_since,
    line.c.heard_at,
    line.c.every_ms,
    line.c.rate_down,
    line.c.rate_up,
    line.c.clock_skew_ms,
    unit.c.gateway_version,
)


def find_line(conn: Connection, scope: Scope, code: str) -> LineRow | None:
    """One unit's line; None when the scope does not cover the unit, or its gateway never reported."""
    return next(iter(_lines(conn, scope, line.c.unit == code, limit=1)), None)


def list_lines(
    conn: Connection,
    scope: Scope,
    *,
    units: str = "",
    state: LineState | None = None,
    after: str = "",
    limit: int = MAX_ROWS,
) -> list[LineRow]:
    """The lines of a scope by unit code.

    Args:
        conn: a transaction.
        scope: what the caller sees.
        units: only of units of this pattern.
        state: only those up, or only those down.
        after: only units whose code follows this one, the last of the page before.
        limit: the length of a page.
    """
    which = [line.c.unit > after, within(line.c.unit, [units]) if units else true()]
    if state is not None:
        which.append(line.c.state == state.value)
    return _lines(conn, scope, and_(*which), limit=limit)


def lines_of(conn: Connection, scope: Scope, codes: Collection[str]) -> list[LineRow]:
    """The lines of these units, as far as the scope covers them."""
    return _lines(conn, scope, line.c.unit.in_(codes), limit=len(codes))


def is_incident(counts: Mapping[LineState, int]) -> bool:
    """Whether so many lines are down at once that they rather share a cause: three at least, and half of all."""
    down = counts[LineState.DOWN]
    return down >= _TOGETHER and 2 * down >= sum(counts.values())


def count_lines(conn: Connection, scope: Scope, units: str = "") -> dict[LineState, int]:
    """How many lines of a scope are up, and how many down; only those of units of a pattern, when there is one."""
    named = within(line.c.unit, [units]) if units else true()
    counted = select(line.c.state, func.count()).where(named, scope.covers_unit(line.c.unit)).group_by(line.c.state)
    return dict.fromkeys(LineState, 0) | {LineState(state): count for state, count in conn.execute(counted)}


def observed(conn: Connection, scope: Scope, *, since: int, until: int, units: str = "") -> int:
    """For how long lines of a scope were observed within an interval, added up (ms): each from its first report on.

    A gateway that told of outages before its first report has observed that time, too.
    """
    named = within(line.c.unit, [units]) if units else true()
    begin = case((line.c.known_since < since, since), else_=line.c.known_since)
    spans = func.sum(case((begin < until, until - begin), else_=0))
    return int(conn.scalar(select(spans).where(named, scope.covers_unit(line.c.unit))) or 0)


def outages(
    conn: Connection, scope: Scope, *, since: int, until: int, units: str = "", limit: int = MAX_ROWS
) -> list[OutageRow]:
    """The outages of a scope that touch an interval, the latest first.

    Args:
        conn: a transaction.
        scope: what the caller sees.
        since: the interval's beginning, UTC ms.
        until: its end, UTC ms.
        units: only of units of this pattern.
        limit: at most so many.
    """
    columns = outage.c.unit, func.coalesce(unit.c.name, ""), outage.c.began_at, outage.c.ended_at, outage.c.told_by
    joined = outage.outerjoin(unit, unit.c.code == outage.c.unit)
    statement = _touching(select(*columns).select_from(joined), scope, since, until, units)
    ordered = statement.order_by(outage.c.began_at.desc(), outage.c.id.desc()).limit(limit)
    return [_outage(*row) for row in conn.execute(ordered)]


def downtimes(
    conn: Connection, scope: Scope, *, since: int, until: int, now_ms: int, units: str = ""
) -> dict[str, Downtime]:
    """What the outages of each unit add up to; units without one are left out.

    Args:
        conn: a transaction.
        scope: what the caller sees.
        since: the interval's beginning, UTC ms.
        until: its end, UTC ms.
        now_ms: the present, to which an open outage counts.
        units: only of units of this pattern.
    """
    end = _least(func.coalesce(outage.c.ended_at, now_ms), min(until, now_ms))
    begin = case((outage.c.began_at < since, since), else_=outage.c.began_at)
    lasted = case((end > begin, end - begin), else_=0)
    statement = _touching(select(outage.c.unit, func.count(), func.sum(lasted)), scope, since, until, units)
    return {code: Downtime(count, int(down)) for code, count, down in conn.execute(statement.group_by(outage.c.unit))}


def _lines(conn: Connection, scope: Scope, which: ColumnElement[bool], *, limit: int) -> list[LineRow]:
    joined = line.join(unit, unit.c.code == line.c.unit)
    statement = select(*_LINE).select_from(joined).where(which, scope.covers_unit(line.c.unit))
    return [_line(*row) for row in conn.execute(statement.order_by(line.c.unit).limit(limit))]


def _line(code: str, name: str, link: str, state: str, *rest: Any) -> LineRow:
    return LineRow(code, name, link, LineState(state), *rest)


def _outage(code: str, name: str, began_at: int, ended_at: int | None, told_by: str) -> OutageRow:
    return OutageRow(code, name, began_at, ended_at, ToldBy(told_by))


def _touching(statement: Select[Any], scope: Scope, since: int, until: int, units: str) -> Select[Any]:
    lasts = or_(outage.c.ended_at.is_(None), outage.c.ended_at > since)
    named: Sequence[str] = [units] if units else []
    within_units = within(outage.c.unit, named) if named else true()
    return statement.where(lasts, outage.c.began_at < until, within_units, scope.covers_unit(outage.c.unit))


def _least(value: ColumnElement[int], most: int) -> ColumnElement[int]:
    return case((value > most, most), else_=value)
