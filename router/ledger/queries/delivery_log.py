"""The delivery log: receipts in the order in which they were recorded, and a follower that misses none."""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from router.ledger.models import delivery, dispatch, receipt
from router.ledger.queries.deliveries import Rows
from router.ledger.queries.filters import EVERYTHING_WANTED, Filter, conditions, with_texts
from router.ledger.scope import Scope
from schemas.clock import now_ms
from schemas.states import Effect, Status

MAX_ENTRIES = 1000
_DISORDER_MS = 60_000
"""How far times may fall where places rise: how much longer one router's commit may wait than another's."""
_FEW = 1000
"""Dispatches that a text is found in so that their receipts are looked up by them."""
LOOK_BACK = {"postgresql": 5}
"""Seconds within which a commit may bring in a place lower than one that is seen; SQLite has one writer at a time."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One receipt with the delivery it belongs to; ``pos`` is its place in the log, times as in the ledger."""

    pos: int
    recorded_at: int
    at: str
    status: Status
    effect: Effect
    unit: str
    issuer: str
    notation: str
    dispatch_id: str
    delivery_id: str
    urgency: int
    reason: str
    person: str
    register_number: str
    attempts: int
    subject: str
    code: str
    """Of the reason, see :mod:`schemas.reasons`; empty: it has none."""
    id: str
    corrects: str | None
    """The receipt whose fields it puts right."""
    undoes: str | None
    """The receipt that was given by mistake."""


ENTRY = (
    receipt.c.pos,
    receipt.c.recorded_at,
    receipt.c.at,
    receipt.c.status,
    receipt.c.effect,
    delivery.c.unit,
    dispatch.c.issuer,
    dispatch.c.notation,
    delivery.c.dispatch_id,
    receipt.c.delivery_id,
    delivery.c.urgency,
    receipt.c.reason,
    receipt.c.person,
    receipt.c.register_number,
    receipt.c.attempts,
    dispatch.c.subject,
    receipt.c.code,
    receipt.c.id,
    receipt.c.corrects,
    receipt.c.undoes,
)


def read_log(
    conn: Connection,
    scope: Scope,
    wanted: Filter = EVERYTHING_WANTED,
    *,
    after: int | None = None,
    before: int | None = None,
    limit: int = MAX_ENTRIES,
) -> list[LogEntry]:
    """Entries in the order of the log; a filter's flags do not apply.

    Args:
        conn: a transaction.
        scope: what the caller sees.
        wanted: which entries.
        after: those that follow this place; None: the newest.
        before: those that stand before this place.
        limit: how many at most.
    """
    statement = _filtered(conn, scope, wanted)
    if before is not None:
        statement = statement.where(receipt.c.pos < before)
    if after is None:
        newest = conn.execute(statement.order_by(receipt.c.pos.desc()).limit(limit)).all()
        return [read_entry(*row) for row in reversed(newest)]
    following = statement.where(receipt.c.pos > after).order_by(receipt.c.pos).limit(limit)
    return [read_entry(*row) for row in conn.execute(following)]


class Follower:
    """Reads the log on and on: the newest entries first, then at each call what is new since the call before.

    PostgreSQL gives a place before the commit, so with several writers a lower place may be seen after a higher one.
    A follower therefore looks back to where the log ended some seconds ago, and knows what it has told since.

    Args:
        scope: what the caller sees.
        wanted: which entries.
        first: how many entries at first.
        after: instead of the newest entries, all that follow this place, the last that an earlier follower told.
            Some of the entries just before it may be told again, because a lower place may have come in since.
    """

    def __init__(
        self, scope: Scope, wanted: Filter = EVERYTHING_WANTED, *, first: int = 100, after: int | None = None
    ) -> None:
        self._scope = scope
        self._wanted = wanted
        self._first = first
        self._after = after
        self._settled: int | None = None
        self._ends: deque[tuple[float, int]] = deque()
        self._told: set[int] = set()

    def read(self, conn: Connection) -> list[LogEntry]:
        """What is new; ``conn`` is a transaction of :func:`router.ledger.engine.reading`."""
        end = conn.scalar(select(func.max(receipt.c.pos))) or 0
        look_back = LOOK_BACK.get(conn.dialect.name, 0)
        if self._settled is None and self._after is not None:
            self._settled = before_late_ones(conn, self._after, look_back)
            new = list(self._following(conn, self._settled))
            self._told = {entry.pos for entry in new}
        elif self._settled is None:
            new = read_log(conn, self._scope, self._wanted, limit=self._first)
            self._settled = min(end, reaches(conn, now_ms() - look_back * 1000) - 1) if look_back else end
            self._told = {entry.pos for entry in self._following(conn, self._settled)}
        else:
            new = [entry for entry in self._following(conn, self._settled) if entry.pos not in self._told]
            self._told.update(entry.pos for entry in new)
        self._settle(end, look_back)
        return new

    def _following(self, conn: Connection, place: int) -> Iterator[LogEntry]:
        while page := read_log(conn, self._scope, self._wanted, after=place):
            yield from page
            place = page[-1].pos

    def _settle(self, end: int, look_back: int) -> None:
        now = time.monotonic()
        self._ends.append((now, end))
        while self._ends and self._ends[0][0] <= now - look_back:
            self._settled = self._ends.popleft()[1]
        self._told = {pos for pos in self._told if pos > (self._settled or 0)}


def before_late_ones(conn: Connection, place: int, look_back: int) -> int:
    """The place after which something may have come in since ``place`` was the last that was seen."""
    told = select(receipt.c.recorded_at).where(receipt.c.pos == place)
    at = conn.scalar(told) if look_back else None
    return place if at is None else min(place, reaches(conn, at - look_back * 1000) - 1)


def _filtered(conn: Connection, scope: Scope, wanted: Filter) -> Rows:
    columns, joined = receipt.c, receipt.join(delivery).join(dispatch)
    seen = scope.sees_delivery_of(wanted.units, wanted.issuers)
    statement: Rows = select(*ENTRY).select_from(joined).where(seen, *_few_dispatches(conn, wanted))
    statement = statement.where(
        *conditions(wanted, state=columns.status, at=columns.recorded_at, reason=columns.reason, code=columns.code)
    )
    if wanted.effects:
        statement = statement.where(columns.effect.in_([effect.value for effect in wanted.effects]))
    if wanted.since is not None:
        statement = statement.where(columns.pos >= place_of(conn, wanted.since))
    if wanted.until is not None:
        statement = statement.where(columns.pos < place_of(conn, wanted.until + 2 * _DISORDER_MS))
    return statement


def _few_dispatches(conn: Connection, wanted: Filter) -> list[ColumnElement[bool]]:
    """Which dispatches have the texts, when they are few: a planner cannot know how many, and would read the log."""
    if not wanted.texts:
        return []
    found = select(dispatch.c.id).where(*with_texts(wanted.texts)).order_by(dispatch.c.accepted_at.desc())
    keys = conn.scalars(found.limit(_FEW + 1)).all()
    return [delivery.c.dispatch_id.in_(keys)] if len(keys) <= _FEW else []


def place_of(conn: Connection, moment: int) -> int:
    """A place in the log before which nothing was recorded at or after a moment (UTC ms)."""
    return reaches(conn, moment - _DISORDER_MS)


def reaches(conn: Connection, moment: int) -> int:
    """Where the log reaches a moment (UTC ms): found by halving, because its times rise with its places."""
    low, high = 0, 1 + (conn.scalar(select(func.max(receipt.c.pos))) or 0)
    while low < high:
        middle = (low + high) // 2
        statement = select(receipt.c.pos, receipt.c.recorded_at).where(receipt.c.pos >= middle)
        found = conn.execute(statement.order_by(receipt.c.pos).limit(1)).first()
        if found is None or found.recorded_at >= moment:
            high = middle
        else:
            low = found.pos + 1
    return low


def read_entry(pos: int, recorded_at: int, at: str, status: str, effect: str, *rest: Any) -> LogEntry:
    """An entry from the values of ``ENTRY``."""
    return LogEntry(pos, recorded_at, at, Status(status), Effect(effect), *rest)
