"""The end of the log, read once for all who watch it: every entry, each once, and which of them somebody wants.

PostgreSQL gives a place before the commit, so a lower place may come in after a higher one. Which entries have been
read is therefore no single place but runs of places, and so is what a reader says it has got.
"""

import re
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, or_, select

from router.ledger.models import delivery, dispatch, receipt
from router.ledger.queries.delivery_log import (
    ENTRY,
    LOOK_BACK,
    MAX_ENTRIES,
    LogEntry,
    before_late_ones,
    reaches,
    read_entry,
    read_log,
)
from router.ledger.queries.filters import ANY_URGENCY, Filter, parts_of
from router.ledger.scope import Scope
from router.rules.number_ranges import Received
from router.rules.number_ranges import read as read_runs
from router.rules.number_ranges import write as write_runs
from schemas.clock import now_ms
from schemas.codes import covers, parent_of

_MOST_GAPS = 50
"""Gaps that are looked into one by one; with more of them the log is read again from the lowest."""
_MOST_TOLD = 20
"""Runs that the name of a state holds; what stands in higher ones is told again after a cut."""
_STATE = re.compile(r"(\d{1,18})(?::(\d{1,18}(?:-\d{1,18})?(?:,\d{1,18}(?:-\d{1,18})?)*))?")


@dataclass(frozen=True, slots=True)
class Fresh:
    """An entry that has just come in, with its document's folded text; ``seen`` is what had come with it."""

    entry: LogEntry
    search: str
    seen: Received


class LogTail:
    """Reads on from the log's end as it is at the first reading."""

    def __init__(self) -> None:
        self.seen = Received()
        """Every place that has been read, or that is settled: nothing comes in there any more."""
        self._began = False
        self._last = 0
        self._told: set[int] = set()
        self._ends: deque[tuple[float, int]] = deque()

    def read(self, conn: Connection) -> list[Fresh]:
        """What has come in since the reading before; nothing at the first one, which only finds the end."""
        look_back = LOOK_BACK.get(conn.dialect.name, 0)
        end = conn.scalar(select(func.max(receipt.c.pos))) or 0
        found = self._new(conn) if self._began else []
        if not self._began:
            self._begin(conn, end, look_back)
        # Nothing is noted before all is read: what is noted is never read again.
        fresh = [Fresh(entry, search, self._note(entry.pos)) for entry, search in found]
        self._settle(end, look_back)
        return fresh

    def _begin(self, conn: Connection, end: int, look_back: int) -> None:
        settled = max(min(end, reaches(conn, now_ms() - look_back * 1000) - 1), 0) if look_back else end
        places = conn.scalars(select(receipt.c.pos).where(receipt.c.pos > settled, receipt.c.pos <= end)).all()
        self.seen, self._told, self._last = _with(Received(settled), places), set(places), end
        self._began = True

    def _new(self, conn: Connection) -> list[tuple[LogEntry, str]]:
        gaps = self.seen.missing(above=0, told=self._last)
        wanted = [receipt.c.pos.between(first, last) for first, last in gaps]
        if len(gaps) > _MOST_GAPS:
            wanted = [receipt.c.pos.between(gaps[0][0], self._last)]
        joined = receipt.join(delivery).join(dispatch)
        statement = select(*ENTRY, dispatch.c.search).select_from(joined).order_by(receipt.c.pos).limit(MAX_ENTRIES)
        rows = list(conn.execute(statement.where(or_(receipt.c.pos > self._last, *wanted))))
        page = rows
        while len(page) == MAX_ENTRIES:
            page = list(conn.execute(statement.where(receipt.c.pos > max(self._last, page[-1][0]))))
            rows = [*rows, *page]
        return [(read_entry(*values), search) for *values, search in rows if values[0] not in self._told]

    def _note(self, place: int) -> Received:
        self._told.add(place)
        self._last = max(self._last, place)
        self.seen = _with(self.seen, [place])
        return self.seen

    def _settle(self, end: int, look_back: int) -> None:
        """Nothing comes in any more below where the log ended some seconds ago."""
        now = time.monotonic()
        self._ends.append((now, end))
        while self._ends and self._ends[0][0] <= now - look_back:
            self.seen = self.seen.up_to(min(self._ends.popleft()[1], self._last))
        self._told = {place for place in self._told if place > self.seen.through}


def fits(fresh: Fresh, scope: Scope, wanted: Filter) -> bool:
    """Whether an entry is one that :func:`read_log` would give: the same conditions, asked of a value."""
    entry = fresh.entry
    if not (scope.everything or _in(entry.unit, scope.units) or _in(entry.issuer, scope.issuers)):
        return False
    least, most = wanted.urgency
    return (
        (not wanted.units or _in(entry.unit, wanted.units))
        and (not wanted.issuers or _in(entry.issuer, wanted.issuers))
        and (not wanted.states or entry.status in wanted.states)
        and (not wanted.effects or entry.effect in wanted.effects)
        and (not wanted.dispatch_id or entry.dispatch_id == wanted.dispatch_id)
        and (wanted.urgency == ANY_URGENCY or least <= entry.urgency <= most)
        and wanted.reason.lower() in entry.reason.lower()
        and wanted.code in {"", entry.code}
        and (wanted.since is None or entry.recorded_at >= wanted.since)
        and (wanted.until is None or entry.recorded_at < wanted.until)
        and all(part in fresh.search for part in parts_of(wanted.texts))
    )


@dataclass(frozen=True, slots=True)
class Missed:
    """A page of what somebody missed, each entry with what has come by then; ``place`` is where the next begins."""

    entries: Sequence[tuple[LogEntry, Received]]
    place: int | None


def missed(
    conn: Connection, scope: Scope, wanted: Filter, *, has: Received, come: Received, after: int | None = None
) -> Missed:
    """What a reader that was away has not got.

    Args:
        conn: a transaction.
        scope: what the reader sees.
        wanted: which entries.
        has: what it has got.
        come: what has come in; what comes later is not told here.
        after: where the page before ended.
    """
    page = read_log(conn, scope, wanted, after=has.through if after is None else after)
    new = [entry for entry in page if come.holds(entry.pos) and not has.holds(entry.pos)]
    entries = [(entry, _upto(entry.pos, come).joined(has)) for entry in new]
    return Missed(entries, page[-1].pos if len(page) == MAX_ENTRIES else None)


def name_of(seen: Received) -> str:
    """The name of what has come, as :func:`read_name` reads it: ``120``, or ``120:122-130,140``."""
    ahead = write_runs(seen.ahead[:_MOST_TOLD])
    return f"{seen.through}:{ahead}" if ahead else str(seen.through)


def read_name(name: str) -> Received | None:
    """What has come, from its name; None: it is no such name."""
    match = _STATE.fullmatch(name)
    if match is None:
        return None
    return Received(int(match[1])).joined(Received(0, read_runs(match[2] or "")))


def seen_after(conn: Connection, place: int) -> Received:
    """What somebody has got who knows a place alone; what may have come in below it since is told again."""
    return Received(max(before_late_ones(conn, place, LOOK_BACK.get(conn.dialect.name, 0)), 0))


def _with(seen: Received, places: Iterable[int]) -> Received:
    """Every place is kept: one that was forgotten would be missed by whoever comes back."""
    return seen.joined(Received(0, tuple((place, place) for place in sorted(places))))


def _upto(place: int, come: Received) -> Received:
    ahead = tuple((first, min(last, place)) for first, last in come.ahead if first <= place)
    return Received(min(come.through, place), ahead)


def _in(code: str, patterns: tuple[str, ...]) -> bool:
    return any(
        parent_of(code) == pattern[:-2] if pattern.endswith(".*") else covers(pattern, code) for pattern in patterns
    )
