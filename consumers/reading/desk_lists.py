"""What a desk lists: the documents of units by what they need, found by any words, and how many need what."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, and_, func, select, text

from consumers.reading.handling import IN_WORK
from consumers.reading.inbox import InboxEntry, entry_columns, read_entry
from consumers.spool.models import book, book_entry, book_version, inbox, letter
from schemas.dispatch import Urgency
from schemas.duties import Course, Owed, Terms, owed
from schemas.states import ENDED, Status
from schemas.text import fold

MOST = 200
"""Documents on one page."""
_MOST_WORDS = 10


class Need(StrEnum):
    """What a document needs from its unit."""

    COMING = "coming"
    """On its way: nothing yet."""
    REGISTER = "register"
    ANSWER = "answer"
    """Its issuer wants it back."""
    WORK = "work"
    """Registered, and not done."""
    ENDED = "ended"


STATES: dict[Need, tuple[Status, ...]] = {
    Need.REGISTER: (Status.ARRIVED,),
    Need.ANSWER: (Status.TAKE_BACK_REQUESTED,),
    Need.WORK: tuple(sorted(IN_WORK)),
    Need.COMING: (Status.TAKEN, Status.PARKED),
    Need.ENDED: tuple(sorted(ENDED)),
}


@dataclass(frozen=True, slots=True)
class DeskRow:
    """A document of a list, its place there, and its arrival number; None: it has none."""

    pos: int
    entry: InboxEntry
    number: int | None
    year: int | None

    def owed(self, terms: Terms) -> Owed | None:
        """Whose turn it is and until when, by the decree; None: nobody's, it has ended."""
        course = Course(self.entry.state, self.entry.state_at, Urgency(self.entry.urgency))
        return next(iter(owed(course, terms)), None)


@dataclass(frozen=True, slots=True)
class WantedDocuments:
    """Which documents: at ``units``; ``need`` None: whatever they need; ``words``: all of them, accents or not."""

    units: Collection[str]
    need: Need | None = None
    words: str = ""


def find(conn: Connection, wanted: WantedDocuments, *, before: int = 0, limit: int = 50) -> list[DeskRow]:
    """Documents, the most urgent of those that wait for a register first, all others newest first.

    Args:
        conn: a transaction that reads.
        wanted: which.
        before: only those before this place; 0: from the newest.
        limit: at most so many.
    """
    columns = inbox.c.pos, book_entry.c.number, book.c.year, *entry_columns()
    entered = and_(book_entry.c.delivery_id == inbox.c.delivery_id, text("book_entry.state = 'entered'"))
    rows = select(*columns).select_from(
        inbox.join(letter, letter.c.pos == inbox.c.letter_pos)
        .outerjoin(book_entry, entered)
        .outerjoin(book, book.c.pos == book_entry.c.book_pos)
    )
    rows = rows.where(*_conditions(wanted))
    if before:
        rows = rows.where(inbox.c.pos < before)
    order = [inbox.c.urgency.desc()] if wanted.need is Need.REGISTER else []
    found = conn.execute(rows.order_by(*order, inbox.c.pos.desc()).limit(min(limit, MOST)))
    return [DeskRow(row[0], read_entry(row[3:]), row[1], row[2]) for row in found]


def of_ids(conn: Connection, units: Collection[str], ids: Sequence[str]) -> dict[str, InboxEntry]:
    """Documents by their ids, as far as they are of the units."""
    rows = select(*entry_columns()).join(letter, letter.c.pos == inbox.c.letter_pos)
    found = conn.execute(rows.where(inbox.c.delivery_id.in_(ids), inbox.c.unit.in_(units)))
    return {entry.delivery_id: entry for entry in map(read_entry, found)}


def count(conn: Connection, units: Collection[str]) -> dict[Need, int]:
    """How many documents of units need what."""
    rows = select(inbox.c.state, func.count()).where(inbox.c.unit.in_(units)).group_by(inbox.c.state)
    by_state = {Status(row[0]): row[1] for row in conn.execute(rows)}
    return {need: sum(by_state.get(state, 0) for state in states) for need, states in STATES.items()}


def issuers_words(conn: Connection, unit: str, issuer: str) -> str:
    """What the last entry of a document of an issuer called it; empty: there is none."""
    newest = (book_version.c.entry_pos == book_entry.c.pos) & (book_version.c.version == book_entry.c.version)
    rows = (
        select(func.json_extract(book_version.c.fields, "$.author"))
        .join(book_entry, newest)
        .join(inbox, inbox.c.delivery_id == book_entry.c.delivery_id)
        .join(letter, letter.c.pos == inbox.c.letter_pos)
        .where(letter.c.issuer == issuer, inbox.c.unit == unit)
        .order_by(inbox.c.pos.desc())
        .limit(1)
    )
    return conn.scalar(rows) or ""


def _conditions(wanted: WantedDocuments) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [inbox.c.unit.in_(wanted.units)]
    if wanted.need is not None:
        found.append(inbox.c.state.in_([state.value for state in STATES[wanted.need]]))
    words = fold(wanted.words).split()[:_MOST_WORDS]
    return found + [letter.c.folded.contains(word, autoescape=True) for word in words]
