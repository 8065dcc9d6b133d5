"""What stands in the unit's registers: books, their numbers, and all that was written under each, oldest first."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, bindparam, func, select, text

from consumers.errors import UnknownEntryError
from consumers.spool.models import book, book_entry, book_version, meta, restored
from consumers.spool.scope import UnitScope
from schemas.ids import made_at
from schemas.model import parse
from schemas.register import BookKind, RegisterFields, is_secret_book
from schemas.zone import zone

MAX_NUMBER = 10_000_000
_AT_ONCE = 500
_RESERVED_SHOWN = 20


class EntryState(StrEnum):
    """What became of a number."""

    RESERVED = "reserved"
    """Taken before the document is there (lấy số trước)."""
    ENTERED = "entered"
    STRUCK = "struck"
    """Struck through: the entry was wrong, or the number was reserved and not used."""
    LOST = "lost"
    """Given, or reserved, before the books were lost; what it stands for is on paper alone."""


@dataclass(frozen=True, slots=True)
class BookKey:
    """Names a book; ``name`` is empty for the unit's general one."""

    unit: str
    kind: BookKind
    year: int
    name: str = ""

    @property
    def secret(self) -> bool:
        """Whether it is a book of state secrets."""
        return is_secret_book(self.name)

    def __str__(self) -> str:
        return f"{self.kind.value} book {f'{self.name!r} ' if self.name else ''}of {self.unit} for {self.year}"


@dataclass(frozen=True, slots=True)
class Book:
    """A book: its first number, the last one given (below ``first``: none), when and by whom it was closed (UTC ms)."""

    key: BookKey
    first: int
    last: int
    closed_at: int | None = None
    closed_by: str = ""
    unconfirmed: bool = False
    """It was restored, and nobody has said yet which number comes next."""


@dataclass(frozen=True, slots=True)
class EntryAuthor:
    """Who writes, when (UTC ms), and why: needed for everything but a first entry."""

    person: str
    at: int
    department: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """What an entry said from a time on; ``fields`` is None while its number is only reserved, or lost."""

    version: int
    state: EntryState
    by: EntryAuthor
    fields: RegisterFields | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A number of a book and all that was written under it, oldest first; what counts is the last."""

    key: BookKey
    number: int
    delivery_id: str | None
    versions: tuple[Version, ...]

    @property
    def state(self) -> EntryState:
        """What became of it."""
        return self.versions[-1].state

    @property
    def fields(self) -> RegisterFields | None:
        """What it says now."""
        return self.versions[-1].fields


class BookRow(NamedTuple):
    """A book's row: its place, the last number given, when it was closed (UTC ms), whether its next is to be said."""

    pos: int
    last: int
    closed_at: int | None
    unconfirmed: bool = False


BOOK = select(book.c.pos, book.c.last, book.c.closed_at, book.c.unconfirmed).where(
    book.c.unit == bindparam("unit"),
    book.c.kind == bindparam("kind"),
    book.c.name == bindparam("name"),
    book.c.year == bindparam("year"),
)
"""A book by what names it, see :func:`columns_of`."""
_ENTRIES: Select[tuple[Any, ...]] = (
    select(
        book_entry.c.number,
        book_entry.c.delivery_id,
        book_version.c.version,
        book_version.c.state,
        book_version.c.at,
        book_version.c.person,
        book_version.c.department,
        book_version.c.reason,
        book_version.c.fields,
    )
    .join(book_version, book_version.c.entry_pos == book_entry.c.pos)
    .where(book_entry.c.book_pos == bindparam("book"))
    .order_by(book_entry.c.number, book_version.c.version)
)


def next_number(conn: Connection, key: BookKey) -> int:
    """The number that the next entry gets."""
    found = find_book(conn, key)
    return 1 if found is None else found.last + 1


def books(conn: Connection, units: Collection[str]) -> list[Book]:
    """The books of units, the latest year first; those of secrets where the scope has them."""
    rows = conn.execute(
        select(book).where(UnitScope.of(units).books).order_by(book.c.year.desc(), book.c.kind, book.c.name)
    )
    return [
        Book(
            BookKey(row.unit, BookKind(row.kind), row.year, row.name),
            row.first,
            row.last,
            row.closed_at,
            row.closed_by,
            row.unconfirmed,
        )
        for row in rows
    ]


def entries(conn: Connection, key: BookKey, first: int = 1, last: int = MAX_NUMBER) -> list[Entry]:
    """The entries of a book from a number to another, both included."""
    found = find_book(conn, key)
    return [] if found is None else list(read_entries(conn, key, found.pos, first, last))


def parts(conn: Connection, key: BookKey) -> Iterator[list[Entry]]:
    """All entries of a book, part by part: no more of them are in memory at once."""
    found = find_book(conn, key)
    if found is not None:
        for first in range(1, found.last + 1, _AT_ONCE):
            yield list(read_entries(conn, key, found.pos, first, first + _AT_ONCE - 1))


def get_entry(conn: Connection, key: BookKey, number: int) -> Entry:
    """One number of a book.

    Raises:
        UnknownEntryError: the book has no such number.
    """
    for found in entries(conn, key, number, number):
        return found
    raise no_number(key, number)


def entry_of(conn: Connection, delivery_id: str) -> Entry | None:
    """Where a document stands in a register now; None: nowhere."""
    columns = book.c.pos, book.c.unit, book.c.kind, book.c.year, book.c.name, book_entry.c.number
    here = book_entry.c.delivery_id == delivery_id, text("book_entry.state = 'entered'")
    row = conn.execute(select(*columns).join(book_entry, book_entry.c.book_pos == book.c.pos).where(*here)).first()
    if row is None:
        return None
    key = BookKey(row.unit, BookKind(row.kind), row.year, row.name)
    return next(read_entries(conn, key, row.pos, row.number, row.number))


def place_of(conn: Connection, key: BookKey, number: int) -> int:
    """The place by which other tables name a number of a book that has begun."""
    here = book.c.pos == book_entry.c.book_pos, book_entry.c.number == number
    named = (book.c[name] == value for name, value in columns_of(key).items())
    return int(conn.scalars(select(book_entry.c.pos).select_from(book_entry).where(*here, *named)).one())


def reserved_numbers(conn: Connection, key: BookKey) -> list[int]:
    """The numbers of a book that are reserved and still free, the lowest first; no more than people read."""
    free = book_entry.c.book_pos == book.c.pos, book_entry.c.state == EntryState.RESERVED.value
    named = (book.c[name] == value for name, value in columns_of(key).items())
    rows = select(book_entry.c.number).select_from(book_entry).where(*free, *named)
    return list(conn.scalars(rows.order_by(book_entry.c.number).limit(_RESERVED_SHOWN)))


def same_before(
    conn: Connection, units: Collection[str], kind: BookKind, author: str, notation: str
) -> list[tuple[int, int]]:
    """Year and number of entries of the same author and notation, newest first: it may have been registered already."""
    newest = (book_version.c.entry_pos == book_entry.c.pos) & (book_version.c.version == book_entry.c.version)
    same = (
        UnitScope.of(units).books,
        book.c.kind == kind.value,
        text("book_entry.state = 'entered'"),
        book_entry.c.notation == notation,
        func.json_extract(book_version.c.fields, "$.author") == author,
    )
    rows = select(book.c.year, book_entry.c.number).join(book_entry, book_entry.c.book_pos == book.c.pos)
    ordered = rows.join(book_version, newest).where(*same).order_by(book.c.year.desc(), book_entry.c.number.desc())
    return [(year, number) for year, number in conn.execute(ordered.limit(10))]


def outgoing_types(conn: Connection, units: Collection[str], begin: date, end: date) -> dict[str, int]:
    """How many documents of which type went out from a day on and before another, by the books."""
    said = book_version.c.fields
    newest = (book_version.c.entry_pos == book_entry.c.pos) & (book_version.c.version == book_entry.c.version)
    day, kind = func.json_extract(said, "$.day"), func.coalesce(func.json_extract(said, "$.type"), "công văn")
    rows = select(kind, func.count()).select_from(book.join(book_entry, book_entry.c.book_pos == book.c.pos))
    here = UnitScope.of(units).books, book.c.kind == BookKind.OUTGOING.value, book.c.year == begin.year
    went = book_entry.c.state == EntryState.ENTERED.value, day >= begin.isoformat(), day < end.isoformat()
    grouped = rows.join(book_version, newest).where(*here, *went).group_by(kind).order_by(func.count().desc())
    return {row[0]: row[1] for row in conn.execute(grouped)}


def is_unconfirmed(conn: Connection, key: BookKey) -> bool:
    """Whether it has to be said first which number comes next: the book was restored, or may have begun before.

    A spool that lies in the place of one that was damaged knows nothing of the books that were in it.
    """
    found = find_book(conn, key)
    if found is not None:
        return found.unconfirmed
    year = conn.scalar(select(restored.c.year).where(restored.c.unit == key.unit)) or 0
    return key.year <= max(year, _begun_anew(conn))


def _begun_anew(conn: Connection) -> int:
    """The year in which this spool took the place of another; 0: it did not."""
    names = {row.key: row.value for row in conn.execute(select(meta))}
    made = made_at(names.get("spool_id", "")) if names.get("replaces") else None
    return 0 if made is None else datetime.fromtimestamp(made / 1000, zone()).year


def columns_of(key: BookKey) -> dict[str, Any]:
    """What names a book in its table."""
    return {"unit": key.unit, "kind": key.kind.value, "name": key.name, "year": key.year}


def find_book(conn: Connection, key: BookKey) -> BookRow | None:
    """A book, when it has begun."""
    row = conn.execute(BOOK, columns_of(key)).one_or_none()
    return row and BookRow._make(row)


def no_number(key: BookKey, number: int) -> UnknownEntryError:
    """The error that a book has no such number."""
    return UnknownEntryError(f"the {key} has no number {number}")


def read_entries(conn: Connection, key: BookKey, book_pos: int, first: int, last: int) -> Iterator[Entry]:
    """The entries of a book at a place."""
    between = book_entry.c.number.between(first, last)
    rows = conn.execute(_ENTRIES.where(between), {"book": book_pos}).all()
    for number, group in groupby(rows, key=lambda row: row.number):
        written = list(group)
        yield Entry(key, number, written[0].delivery_id, tuple(map(_version, written)))


def _version(row: Row[Any]) -> Version:
    by = EntryAuthor(row.person, row.at, row.department, row.reason)
    fields = parse(RegisterFields, row.fields, what="entry") if row.fields else None
    return Version(row.version, EntryState(row.state), by, fields)
