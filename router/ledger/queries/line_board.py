"""Lines over a span of time: which are down, which were, for how long, and what went down together."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, case, func, or_, select

from router.ledger.models import outage
from router.ledger.queries.lines import (
    Downtime,
    LineRow,
    count_lines,
    downtimes,
    lines_of,
    list_lines,
    observed,
    outages,
)
from router.ledger.scope import Scope
from router.rules.correlation import Down, Together, correlate, heads_of
from router.rules.outages import LineState

MOST_CORRELATED = 5000
"""Outages that are looked at for a common cause, the latest."""
_SLOTS = 240


@dataclass(frozen=True, slots=True)
class Band:
    """A part of a span in which a line was down for ``down_ms``, from the first to the last of it (UTC ms).

    Outages that begin within one 240th of the span are one band.
    """

    began_at: int
    ended_at: int
    down_ms: int
    outages: int


@dataclass(frozen=True, slots=True)
class Span:
    """A time that is looked at (UTC ms); ``now`` ends what lasts."""

    since: int
    until: int
    now: int

    @property
    def length(self) -> int:
        """So much of it as has passed, ms."""
        return max(min(self.until, self.now) - self.since, 1)

    def observed(self, line: LineRow) -> int:
        """So much of it as a line was observed in, ms."""
        return line.observed(self.since, min(self.until, self.now))


@dataclass(frozen=True, slots=True)
class BoardRow:
    """A line with its outages within the span."""

    line: LineRow
    downtime: Downtime
    bands: Sequence[Band]
    observed_ms: int


@dataclass(frozen=True, slots=True)
class LineBoard:
    """The lines of a scope within a span; ``rows`` are those down first, then those that were down longest."""

    span: Span
    up: int
    down: int
    disturbed: int
    """Lines that were down at some time within the span."""
    down_ms: int
    observed_ms: int
    """For how long lines were observed, added up: what a share of availability is of."""
    listed: int
    """How many lines fit what ``rows`` are of; rows may be fewer."""
    rows: Sequence[BoardRow]
    together: Sequence[Together]

    @property
    def lines(self) -> int:
        """All of which anything is known."""
        return self.up + self.down


def line_board(
    conn: Connection,
    scope: Scope,
    span: Span,
    *,
    units: str = "",
    state: LineState | None = None,
    every: bool = False,
    limit: int = 60,
) -> LineBoard:
    """Look at lines over a span.

    Args:
        conn: a transaction.
        scope: what the caller sees.
        span: when.
        units: only those of units of this pattern.
        state: rows only of lines that are up, or down; None: of those that are down or were.
        every: rows of all lines, those without an outage last.
        limit: most rows.
    """
    counts = count_lines(conn, scope, units)
    downs = downtimes(conn, scope, since=span.since, until=span.until, now_ms=span.now, units=units)
    broken = list_lines(conn, scope, units=units, state=LineState.DOWN, limit=limit)
    down, were = _told_apart(broken, downs)
    chosen = down if state is LineState.DOWN else [*down, *were] if state is None else were
    if every or state is LineState.UP:
        rest = list_lines(conn, scope, units=units, state=state, limit=limit)
        chosen = list(dict.fromkeys([*chosen, *(item.unit for item in rest)]))
    chosen = chosen[:limit]
    listed = len({*down, *were}) if state is None else counts[state]
    known = {item.unit: item for item in lines_of(conn, scope, chosen)}
    drawn = bands(conn, scope, span, chosen)
    return LineBoard(
        span=span,
        up=counts[LineState.UP],
        down=counts[LineState.DOWN],
        disturbed=len(downs),
        down_ms=sum(item.down_ms for item in downs.values()),
        observed_ms=observed(conn, scope, since=span.since, until=min(span.until, span.now), units=units),
        listed=sum(counts.values()) if every else listed,
        rows=[
            BoardRow(known[code], downs.get(code, Downtime()), drawn.get(code, ()), span.observed(known[code]))
            for code in chosen
            if code in known
        ],
        together=_together(conn, scope, span, units),
    )


def _told_apart(broken: Sequence[LineRow], downs: Mapping[str, Downtime]) -> tuple[list[str], list[str]]:
    """The units whose lines are down, those for longest first; and the others, those that were down longest first."""
    down = [item.unit for item in sorted(broken, key=lambda item: item.since)]
    return down, sorted(downs.keys() - set(down), key=lambda code: (-downs[code].down_ms, code))


def bands(conn: Connection, scope: Scope, span: Span, codes: Collection[str]) -> Mapping[str, Sequence[Band]]:
    """The bands of units, the earliest first; units without an outage are left out."""
    end = func.coalesce(outage.c.ended_at, span.now)
    ended = case((end > span.until, span.until), else_=end)
    began = case((outage.c.began_at < span.since, span.since), else_=outage.c.began_at)
    lasts = or_(outage.c.ended_at.is_(None), outage.c.ended_at > span.since)
    some = and_(outage.c.unit.in_(codes), lasts, outage.c.began_at < span.until, scope.covers_unit(outage.c.unit))
    slot = (began - span.since) // max((span.until - span.since) // _SLOTS, 1)
    base = select(outage.c.unit, slot.label("slot"), began.label("began"), ended.label("ended")).where(some).subquery()
    row = base.c
    drawn = select(row.unit, func.min(row.began), func.max(row.ended), func.sum(row.ended - row.began), func.count())
    found: defaultdict[str, list[Band]] = defaultdict(list)
    for code, first, last, down, count in conn.execute(drawn.group_by(row.unit, row.slot).order_by(row.unit, row.slot)):
        found[code].append(Band(first, last, int(down), count))
    return found


def _together(conn: Connection, scope: Scope, span: Span, units: str) -> list[Together]:
    rows = outages(conn, scope, since=span.since, until=span.until, units=units, limit=MOST_CORRELATED)
    downs = [Down(row.unit, row.began_at, row.ended_at) for row in rows]
    lines = {head: sum(count_lines(conn, scope, f"{head}.#").values()) for head in heads_of(downs)}
    return correlate(downs, lines)
