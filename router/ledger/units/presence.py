"""Lines in the ledger: what gateways report of them, and what their silence means.

The table ``line`` has a row for every unit whose gateway reports (:class:`schemas.line.LineReport`), ``outage`` one for
every time that its line was down. They are read by :mod:`router.ledger.queries.lines`.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace

from sqlalchemy import BigInteger, Connection, and_, bindparam, case, delete, or_, select, update

from router.ledger.bulk import Row, insert_rows, rows_at_once, update_rows
from router.ledger.models import line, outage, unit
from router.ledger.scope import within
from router.rules.outages import LineState, Outage, OutageChanges, ToldBy, reconcile, settled_skew, up_since
from router.storage.statements import chunks
from schemas.clock import to_ms
from schemas.line import MISSED, LineReport

_MARGIN_MS = 3_600_000
"""An outage reported again is looked for this far around its time: the clocks' difference may have been settled."""

_FIRST_TOLD_MS = 30 * 24 * 3_600_000
"""How far back the first report of a line is believed: a gateway that is set up before its line is there."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a gateway says of the line of its units: its own time and ours when it came (UTC ms)."""

    said: LineReport
    at_ms: int
    heard_at: int


@dataclass(frozen=True, slots=True)
class Listening:
    """A look for silent lines: the present and since when this router hears everything, both UTC ms."""

    now_ms: int
    since_ms: int
    limit: int = 500


@dataclass(frozen=True, slots=True)
class _UnitLine:
    """The row of a unit."""

    unit: str
    state: LineState | None
    since: int
    known_since: int
    heard_at: int
    reported_at: int
    every_ms: int
    silent_at: int | None
    rate_down: int | None
    rate_up: int | None
    clock_skew_ms: int | None

    def alive(self, now: int) -> "_UnitLine":
        """The same after a sign of life."""
        since = self.since if self.state is LineState.UP else now
        return replace(self, state=LineState.UP, since=since, heard_at=now, silent_at=now + MISSED * self.every_ms)


_COLUMNS = tuple(item.name for item in fields(_UnitLine))
_OUTAGE = ("unit", "began_at", "ended_at", "told_by", "gateway_began_at")
_CHANGED = ("id", *_OUTAGE[1:])
_ROWS = select(*(line.c[name] for name in _COLUMNS))
_OF_UNITS = _ROWS.where(line.c.unit.in_(bindparam("units", expanding=True)))
_KNOWN = select(unit.c.code).where(unit.c.code.in_(bindparam("units", expanding=True)))
_SILENT = (
    _ROWS.where(
        line.c.silent_at <= bindparam("now"),
        line.c.every_ms <= bindparam("longest"),
    )
    .order_by(line.c.unit)
    .limit(bindparam("limit"))
)
_NOW = bindparam("b_now", type_=BigInteger)
_MISSET = (
    update(line)
    .where(line.c.silent_at.is_not(None), line.c.heard_at > _NOW)
    .values(
        silent_at=_NOW + MISSED * line.c.every_ms,
        heard_at=_NOW,
        since=case((line.c.since > _NOW, _NOW), else_=line.c.since),
    )
)
"""What a clock that was ahead wrote: such a line is taken to have been heard of now, and its silence counts again."""
_NEAR = select(
    outage.c.unit, outage.c.began_at, outage.c.ended_at, outage.c.told_by, outage.c.gateway_began_at, outage.c.id
).where(
    outage.c.unit.in_(bindparam("units", expanding=True)),
    or_(outage.c.ended_at.is_(None), outage.c.ended_at >= bindparam("since")),
)

_FORGET = delete(outage).where(outage.c.ended_at < bindparam("before"))


def units_of_spool(connection: Connection, spool_id: str, pattern: str) -> list[str]:
    """The units within a pattern whose gateway last named this spool."""
    of_spool = and_(unit.c.spool_id == spool_id, within(unit.c.code, [pattern]))
    return list(connection.scalars(select(unit.c.code).where(of_spool).order_by(unit.c.code)))


def note_report(connection: Connection, units: Sequence[str], report: Report) -> None:
    """Note what a gateway reports of the line of its units, in the directory or not."""
    known = [code for codes in chunks(sorted(units)) for code in connection.scalars(_KNOWN, {"units": codes})]
    before = _lines(connection, known)
    skews = {code: _skew(before.get(code), report) for code in known}
    reported = {code: [_told(item, skews[code], before.get(code), report) for item in _pairs(report)] for code in known}
    earliest = min((item.began_at for told in reported.values() for item in told), default=report.heard_at)
    near = _outages(connection, known, since=earliest - _MARGIN_MS)
    after = [_reported(code, before.get(code), reported[code], skews[code], report) for code in known]
    _store(connection, before, after)
    patience = MISSED * report.said.every * 1000
    found = {code: reconcile(near[code], reported[code], heard_at=report.heard_at, patience=patience) for code in known}
    _amend(connection, found)


def note_alive(connection: Connection, units: Sequence[str], now_ms: int) -> None:
    """Note a sign of life of units: receipts came. Those whose gateway does not report are passed over."""
    before = _lines(connection, units)
    _store(connection, before, [item.alive(max(now_ms, item.heard_at)) for item in before.values()])
    if back := [code for code, item in before.items() if item.state is LineState.DOWN]:
        near = _outages(connection, back, since=now_ms)
        _amend(connection, {code: reconcile(near[code], [], heard_at=now_ms, patience=0) for code in back})


def note_silent(connection: Connection, look: Listening) -> list[str]:
    """Take lines to be down that were silent for too long; their units.

    A router that has not listened for as long itself cannot tell, and leaves them to the next look.
    """
    connection.execute(_MISSET, {"b_now": look.now_ms})
    statement = _SILENT.with_for_update(skip_locked=True) if connection.dialect.name == "postgresql" else _SILENT
    longest = (look.now_ms - look.since_ms) // MISSED
    rows = connection.execute(statement, {"now": look.now_ms, "longest": longest, "limit": look.limit}).all()
    found = [_line(row) for row in rows]
    down = [replace(item, state=LineState.DOWN, since=item.heard_at, silent_at=None) for item in found]
    update_rows(connection, line, _COLUMNS, [_columns(item) for item in down])
    began = [(item.unit, item.heard_at, None, ToldBy.SILENCE.value, None) for item in found]
    insert_rows(connection, outage, _OUTAGE, began)
    return [item.unit for item in found]


def forget_outages(connection: Connection, before: Sequence[int]) -> list[int]:
    """Forget outages that ended before each of these times (UTC ms); how many."""
    return [connection.execute(_FORGET, {"before": at}).rowcount for at in before]


def _reported(code: str, before: _UnitLine | None, told: Sequence[Outage], skew: int, report: Report) -> _UnitLine:
    state, since = (before.state, before.since) if before else (None, 0)
    every_ms = report.said.every * 1000
    return _UnitLine(
        unit=code,
        state=LineState.UP,
        since=up_since(state, since, reported=told, now=report.heard_at),
        known_since=min((before.known_since if before else report.heard_at, *(item.began_at for item in told))),
        heard_at=report.heard_at,
        reported_at=report.heard_at,
        every_ms=every_ms,
        silent_at=report.heard_at + MISSED * every_ms,
        rate_down=report.said.rate_down,
        rate_up=report.said.rate_up,
        clock_skew_ms=skew,
    )


def _skew(before: _UnitLine | None, report: Report) -> int:
    sample = report.at_ms - report.heard_at
    if before is None:
        return sample
    since_last = report.heard_at - before.reported_at
    in_step = before.every_ms <= 2 * since_last and since_last <= 2 * before.every_ms
    return settled_skew(before.clock_skew_ms, sample, in_step=in_step)


def _pairs(report: Report) -> Iterator[tuple[int, int]]:
    return ((to_ms(item.down_at), to_ms(item.up_at)) for item in report.said.outages)


def _told(pair: tuple[int, int], skew: int, before: _UnitLine | None, report: Report) -> Outage:
    """A reported outage by our clock; it began and ended before it was reported, whatever the clocks say."""
    began, ended = (min(at - skew, report.heard_at) for at in pair)
    return Outage(_believed(began, ended, before, report), ended, ToldBy.GATEWAY, pair[0])


def _believed(began: int, ended: int, before: _UnitLine | None, report: Report) -> int:
    """When a reported outage began, as far as it can be so: a gateway whose clock lost its battery says 1970.

    One that ended after the line's last report began after it; an interval is left for what waited on its way. Another
    was reported late or is reported again; nothing is known of the line from before its first report but what that
    says.
    """
    if before is None:
        return max(began, min(ended, report.heard_at - _FIRST_TOLD_MS))
    if ended <= before.reported_at:
        return max(began, min(ended, before.known_since))
    may_be = began >= before.reported_at - report.said.every * 1000
    return began if may_be else min(ended, before.reported_at + 1)


def _lines(connection: Connection, units: Sequence[str]) -> dict[str, _UnitLine]:
    statement = _OF_UNITS
    if connection.dialect.name == "postgresql":
        statement = statement.order_by(line.c.unit).with_for_update()
    rows = (row for codes in chunks(sorted(units)) for row in rows_at_once(connection, statement, {"units": codes}))
    return {row[0]: _line(row) for row in rows}


def _line(row: Sequence[object]) -> _UnitLine:
    code, state, *rest = row
    return _UnitLine(code, LineState(state), *rest)  # type: ignore[arg-type]


def _columns(item: _UnitLine) -> Row:
    return tuple(value.value if isinstance(value, LineState) else value for value in astuple(item))


def _outages(connection: Connection, units: Sequence[str], *, since: int) -> Mapping[str, list[Outage]]:
    """The outages of units that lasted at ``since`` or ended later."""
    found: defaultdict[str, list[Outage]] = defaultdict(list)
    for codes in chunks(sorted(units)):
        for code, began, ended, told_by, *rest in connection.execute(_NEAR, {"units": codes, "since": since}):
            found[code].append(Outage(began, ended, ToldBy(told_by), *rest))
    return found


def _store(connection: Connection, before: Mapping[str, _UnitLine], after: Sequence[_UnitLine]) -> None:
    new = [_columns(item) for item in after if item.unit not in before]
    insert_rows(connection, line, _COLUMNS, new, key="unit")
    update_rows(connection, line, _COLUMNS, [_columns(item) for item in after if item.unit in before])


def _amend(connection: Connection, changes: Mapping[str, OutageChanges]) -> None:
    added = [_row(code, item) for code, some in changes.items() for item in some.added]
    changed = [(item.key, *_row("", item)[1:]) for some in changes.values() for item in some.changed]
    removed = [key for some in changes.values() for key in some.removed]
    insert_rows(connection, outage, _OUTAGE, added)
    update_rows(connection, outage, _CHANGED, changed)
    if removed:
        connection.execute(delete(outage).where(outage.c.id.in_(removed)))


def _row(code: str, item: Outage) -> Row:
    return code, item.began_at, item.ended_at, item.told_by.value, item.gateway_began_at
