"""What a desk lists: the documents of units by what they need, found by any words, and how many need what."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, and_, func, select, text

from consumers.reading.desk_filters import STATES, Need, WantedDocuments, of_inbox, of_letter
from consumers.reading.inbox import InboxEntry, entry_columns, read_entry
from consumers.spool.models import book, book_entry, book_version, inbox, letter, task
from consumers.spool.scope import UnitScope
from schemas.dispatch import Urgency
from schemas.duties import Course, Owed, Terms, owed
from schemas.states import Status

MOST = 200
"""Documents on one page."""
_NEAR = 2000
"""Among so many of the newest documents is sought first."""
_LAST_LETTERS = 100


@dataclass(frozen=True, slots=True)
class DeskRow:
    """A document of a list, its place there, its arrival number and book; ``until``: the earliest day set (UTC ms)."""

    pos: int
    entry: InboxEntry
    number: int | None
    year: int | None
    book: str | None = None
    until: int | None = None

    def owed(self, terms: Terms) -> Owed | None:
        """Whose turn it is and until when, by the decree; None: nobody's, it has ended."""
        entry = self.entry
        course = Course(
            entry.state, entry.state_at, Urgency(entry.urgency), entry.due, self.until, entry.registered_at is not None
        )
        return next(iter(owed(course, terms)), None)


_ENTERED = and_(book_entry.c.delivery_id == inbox.c.delivery_id, text("book_entry.state = 'entered'"))
_OPEN_TASKS = task.c.inbox_pos == inbox.c.pos, task.c.ended_at.is_(None)
_ROWS = select(
    inbox.c.pos,
    book_entry.c.number,
    book.c.year,
    book.c.name,
    select(func.min(task.c.until)).where(*_OPEN_TASKS).correlate(inbox).scalar_subquery(),
    *entry_columns(),
).select_from(
    inbox.join(letter, letter.c.pos == inbox.c.letter_pos)
    .outerjoin(book_entry, _ENTERED)
    .outerjoin(book, book.c.pos == book_entry.c.book_pos)
)


def find(conn: Connection, wanted: WantedDocuments, *, before: int = 0, limit: int = 50) -> list[DeskRow]:
    """Documents, the most urgent of those that wait for a register first, all others newest first.

    Args:
        conn: a transaction that reads.
        wanted: which.
        before: only those behind this place; 0: from the beginning.
        limit: at most so many.
    """
    places = _places(conn, wanted, before, min(limit, MOST))
    rows = {row[0]: row for row in conn.execute(_ROWS.where(inbox.c.pos.in_(places)))}
    return [_read(rows[pos]) for pos in places if pos in rows]


def of_these(conn: Connection, units: Collection[str], ids: Sequence[str]) -> list[DeskRow]:
    """Documents by their ids and in their order, as far as they are of the units and seen."""
    found = conn.execute(_ROWS.where(inbox.c.delivery_id.in_(ids), UnitScope.of(units).documents_beside))
    rows = {row.entry.delivery_id: row for row in map(_read, found)}
    return [rows[one] for one in ids if one in rows]


def _read(row: Sequence[Any]) -> DeskRow:
    number, year, name, until = row[1:5]
    return DeskRow(row[0], read_entry(row[5:]), number, year, name, until)


def _places(conn: Connection, wanted: WantedDocuments, before: int, limit: int) -> Sequence[int]:
    """The places of a page: among the newest documents first, where what is frequent is found at once."""
    letters = of_letter(wanted)
    rows = select(inbox.c.pos).where(*of_inbox(wanted, by_index=not wanted.is_narrow)).limit(limit)
    if letters:
        rows = rows.where(inbox.c.letter_pos.in_(select(letter.c.pos).where(*letters)))
    if wanted.need is Need.REGISTER:
        urgent_first = inbox.c.urgency.desc(), inbox.c.pos.desc()
        return conn.scalars(_behind_urgent(conn, rows, before).order_by(*urgent_first)).all()
    newest = before - 1 if before else conn.scalar(select(func.max(inbox.c.pos))) or 0
    near = select(inbox.c.pos).join(letter, letter.c.pos == inbox.c.letter_pos).order_by(inbox.c.pos.desc())
    near = near.where(*of_inbox(wanted, by_index=False), *letters, inbox.c.pos.between(newest - _NEAR, newest))
    found = conn.scalars(near.limit(limit)).all()
    if len(found) == limit:
        return found
    return conn.scalars(rows.where(inbox.c.pos <= newest).order_by(inbox.c.pos.desc())).all()


def _behind_urgent(conn: Connection, rows: Select[int], before: int) -> Select[int]:
    urgency = conn.scalar(select(inbox.c.urgency).where(inbox.c.pos == before)) if before else None
    if urgency is None:
        return rows
    return rows.where((inbox.c.urgency < urgency) | ((inbox.c.urgency == urgency) & (inbox.c.pos < before)))


def of_ids(conn: Connection, units: Collection[str], ids: Sequence[str]) -> dict[str, InboxEntry]:
    """Documents by their ids, as far as they are of the units and seen."""
    rows = select(*entry_columns()).join(letter, letter.c.pos == inbox.c.letter_pos)
    found = conn.execute(rows.where(inbox.c.delivery_id.in_(ids), UnitScope.of(units).documents))
    return {entry.delivery_id: entry for entry in map(read_entry, found)}


def count(conn: Connection, units: Collection[str]) -> dict[Need, int]:
    """How many documents of units need what."""
    seen = UnitScope.of(units).documents
    rows = select(inbox.c.state, func.count()).where(seen).group_by(inbox.c.state)
    by_state = {Status(row[0]): row[1] for row in conn.execute(rows)}
    found = {need: sum(by_state.get(state, 0) for state in states) for need, states in STATES.items()}
    kept = by_state.get(Status.CHANGE_REFUSED, 0)
    if kept:
        here = seen, inbox.c.state == Status.CHANGE_REFUSED.value, inbox.c.registered_at.is_not(None)
        registered = conn.scalar(select(func.count()).select_from(inbox).where(*here)) or 0
        found[Need.REGISTER] -= registered
        found[Need.WORK] -= kept - registered
    return found


def issuers_words(conn: Connection, units: Collection[str], issuer: str) -> str:
    """What the last entry among the newest documents of an issuer called it, but for its code; empty: there is none."""
    letters = select(letter.c.pos).where(letter.c.issuer == issuer).order_by(letter.c.pos.desc()).limit(_LAST_LETTERS)
    newest = (book_version.c.entry_pos == book_entry.c.pos) & (book_version.c.version == book_entry.c.version)
    called = func.json_extract(book_version.c.fields, "$.author")
    rows = (
        select(called)
        .select_from(inbox.join(book_entry, _ENTERED).join(book_version, newest))
        .where(inbox.c.letter_pos.in_(letters), called != issuer, UnitScope.of(units).documents_beside)
        .order_by(inbox.c.pos.desc())
        .limit(1)
    )
    return conn.scalar(rows) or ""
