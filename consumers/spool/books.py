"""The unit's registers (sổ): numbers that are given once and in order, and entries of which nothing is ever lost.

Decree 30/2020: one series of numbers for each book and year, for paper and electronic documents alike, without a gap.
A number is given by the transaction that writes its entry, so whatever two clerks click or whenever the power goes,
none is given twice and none is left out. A wrong entry is put right by a further version, or struck through with its
reason; its number stays its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, bindparam, func, insert, select, text, update
from sqlalchemy.dialects.sqlite import insert as upsert

from consumers.errors import BookError, UnknownEntryError
from consumers.spool.models import book, book_entry, book_version
from schemas.model import parse
from schemas.register import BookKind, RegisterFields

MAX_RESERVED = 100
"""Numbers reserved at once."""
MAX_NUMBER = 10_000_000


class EntryState(StrEnum):
    """What became of a number."""

    RESERVED = "reserved"
    """Taken before the document is there (lấy số trước)."""
    ENTERED = "entered"
    STRUCK = "struck"
    """Struck through: the entry was wrong, or the number was reserved and not used."""


@dataclass(frozen=True, slots=True)
class BookKey:
    """Names a book; ``name`` is empty for the unit's general one."""

    unit: str
    kind: BookKind
    year: int
    name: str = ""

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


@dataclass(frozen=True, slots=True)
class EntryAuthor:
    """Who writes, when (UTC ms), and why: needed for everything but a first entry."""

    person: str
    at: int
    department: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """What an entry said from a time on; ``fields`` is None while its number is only reserved."""

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


class _BookRow(NamedTuple):
    pos: int
    last: int
    closed_at: int | None


_BOOK = select(book.c.pos, book.c.last, book.c.closed_at).where(
    book.c.unit == bindparam("unit"),
    book.c.kind == bindparam("kind"),
    book.c.name == bindparam("name"),
    book.c.year == bindparam("year"),
)
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


def begin(conn: Connection, key: BookKey, first: int) -> None:
    """Begin a book with a number of its own, as when a year's first ones stand on paper already.

    Raises:
        BookError: it has begun already, or no book begins with that number.
    """
    if not 1 <= first <= MAX_NUMBER:
        raise BookError(f"a book begins with a number from 1 to {MAX_NUMBER}, not with {first}")
    made = upsert(book).values(**_columns(key), first=first, last=first - 1).on_conflict_do_nothing()
    if not conn.execute(made).rowcount:
        raise BookError(f"the {key} has begun already; its next number is {next_number(conn, key)}")


def next_number(conn: Connection, key: BookKey) -> int:
    """The number that the next entry gets."""
    found = _find(conn, key)
    return 1 if found is None else found.last + 1


def enter(
    conn: Connection,
    key: BookKey,
    fields: RegisterFields,
    by: EntryAuthor,
    *,
    delivery_id: str | None = None,
    number: int | None = None,
) -> int:
    """Write an entry under the next number, or under one that was reserved; the number.

    Args:
        conn: a transaction that writes.
        key: the book.
        fields: what is entered.
        by: who enters it.
        delivery_id: the document, when it came by the line.
        number: that the person was shown; None: whichever is next.

    Raises:
        BookError: the book is closed, the document has an entry already, or the number is neither the next one nor
            reserved: somebody was faster.
    """
    found = _open(conn, key)
    _require_no_entry(conn, delivery_id)
    expected = found.last + 1
    if number is not None and number != expected:
        entry = _entry_row(conn, found.pos, number)
        if entry is None or entry.state != EntryState.RESERVED:
            taken = "has been given meanwhile" if entry is not None else "is not the next one"
            raise BookError(f"number {number} of the {key} {taken}; the next number is {expected}")
        _write(conn, entry.pos, Version(entry.version + 1, EntryState.ENTERED, by, fields))
        conn.execute(update(book_entry).where(book_entry.c.pos == entry.pos).values(delivery_id=delivery_id))
        return number
    _give(conn, found.pos, expected, Version(1, EntryState.ENTERED, by, fields), delivery_id)
    return expected


def reserve(conn: Connection, key: BookKey, count: int, by: EntryAuthor) -> list[int]:
    """Take the next numbers for documents that are still to come; the numbers.

    Raises:
        BookError: the book is closed, there is no reason, or too many are wanted at once.
    """
    _require_reason(by, "a number is reserved")
    if not 1 <= count <= MAX_RESERVED:
        raise BookError(f"{count} numbers cannot be reserved at once; at most {MAX_RESERVED}")
    found = _open(conn, key)
    numbers = list(range(found.last + 1, found.last + 1 + count))
    for number in numbers:
        _give(conn, found.pos, number, Version(1, EntryState.RESERVED, by, None))
    return numbers


def correct(
    conn: Connection, key: BookKey, number: int, fields: RegisterFields, by: EntryAuthor, *, version: int
) -> None:
    """Put an entry right; what it said before stays readable.

    Args:
        conn: a transaction that writes.
        key: the book.
        number: of the entry.
        fields: what it is to say.
        by: who corrects it, and why.
        version: that the person was shown.

    Raises:
        UnknownEntryError: the book has no such number.
        BookError: the book is closed, there is no reason, the entry is struck or only reserved, or it was changed
            meanwhile.
    """
    entry = _to_change(conn, key, number, by, version)
    if entry.state != EntryState.ENTERED:
        raise BookError(f"number {number} of the {key} is {entry.state}: there is nothing to put right")
    _write(conn, entry.pos, Version(version + 1, EntryState.ENTERED, by, fields))


def strike(conn: Connection, key: BookKey, number: int, by: EntryAuthor, *, version: int) -> None:
    """Strike an entry through, or give a reserved number up; the number is never given again.

    Raises:
        UnknownEntryError: as above.
        BookError: as above, or it is struck already.
    """
    entry = _to_change(conn, key, number, by, version)
    if entry.state == EntryState.STRUCK:
        raise BookError(f"number {number} of the {key} is struck through already")
    (before,) = _entries(conn, key, entry.book_pos, number, number)
    _write(conn, entry.pos, Version(version + 1, EntryState.STRUCK, by, before.fields))


def close(conn: Connection, key: BookKey, by: EntryAuthor) -> None:
    """Close a book (khóa sổ): nothing in it changes from then on.

    Raises:
        BookError: it is closed already, or numbers in it are reserved: they are used or struck through first.
    """
    found = _open(conn, key)
    waiting = book_entry.c.book_pos == found.pos, book_entry.c.state == EntryState.RESERVED.value
    reserved = conn.scalars(select(book_entry.c.number).where(*waiting).order_by(book_entry.c.number)).all()
    if reserved:
        shown = ", ".join(map(str, reserved[:10]))
        raise BookError(f"{len(reserved)} numbers of the {key} are only reserved ({shown}); use them or strike them")
    conn.execute(update(book).where(book.c.pos == found.pos).values(closed_at=by.at, closed_by=by.person))


def books(conn: Connection, unit: str) -> list[Book]:
    """The books of a unit, the latest year first."""
    rows = conn.execute(select(book).where(book.c.unit == unit).order_by(book.c.year.desc(), book.c.kind, book.c.name))
    return [
        Book(
            BookKey(row.unit, BookKind(row.kind), row.year, row.name), row.first, row.last, row.closed_at, row.closed_by
        )
        for row in rows
    ]


def entries(conn: Connection, key: BookKey, first: int = 1, last: int = MAX_NUMBER) -> list[Entry]:
    """The entries of a book from a number to another, both included."""
    found = _find(conn, key)
    return [] if found is None else list(_entries(conn, key, found.pos, first, last))


def get_entry(conn: Connection, key: BookKey, number: int) -> Entry:
    """One number of a book.

    Raises:
        UnknownEntryError: the book has no such number.
    """
    for found in entries(conn, key, number, number):
        return found
    raise _no_number(key, number)


def entry_of(conn: Connection, delivery_id: str) -> Entry | None:
    """Where a document stands in a register now; None: nowhere."""
    columns = book.c.pos, book.c.unit, book.c.kind, book.c.year, book.c.name, book_entry.c.number
    here = book_entry.c.delivery_id == delivery_id, text("book_entry.state = 'entered'")
    row = conn.execute(select(*columns).join(book_entry, book_entry.c.book_pos == book.c.pos).where(*here)).first()
    if row is None:
        return None
    key = BookKey(row.unit, BookKind(row.kind), row.year, row.name)
    return next(_entries(conn, key, row.pos, row.number, row.number))


def same_before(conn: Connection, unit: str, kind: BookKind, author: str, notation: str) -> list[tuple[int, int]]:
    """Year and number of entries of the same author and notation, newest first: it may have been registered already."""
    said = book_version.c.fields
    newest = (book_version.c.entry_pos == book_entry.c.pos) & (book_version.c.version == book_entry.c.version)
    same = (
        book.c.unit == unit,
        book.c.kind == kind.value,
        book_entry.c.state == EntryState.ENTERED.value,
        func.json_extract(said, "$.author") == author,
        func.json_extract(said, "$.notation") == notation,
    )
    rows = select(book.c.year, book_entry.c.number).join(book_entry, book_entry.c.book_pos == book.c.pos)
    ordered = rows.join(book_version, newest).where(*same).order_by(book.c.year.desc(), book_entry.c.number.desc())
    return [(year, number) for year, number in conn.execute(ordered.limit(10))]


def _columns(key: BookKey) -> dict[str, Any]:
    return {"unit": key.unit, "kind": key.kind.value, "name": key.name, "year": key.year}


def _find(conn: Connection, key: BookKey) -> _BookRow | None:
    row = conn.execute(_BOOK, _columns(key)).one_or_none()
    return row and _BookRow._make(row)


def _open(conn: Connection, key: BookKey) -> _BookRow:
    """The book, begun when it is new.

    Raises:
        BookError: it is closed.
    """
    found = _find(conn, key)
    if found is None:
        begin(conn, key, 1)
        found = _BookRow._make(conn.execute(_BOOK, _columns(key)).one())
    if found.closed_at is not None:
        raise BookError(f"the {key} is closed; documents of this day belong into another book")
    return found


def _give(conn: Connection, book_pos: int, number: int, first: Version, delivery_id: str | None = None) -> None:
    conn.execute(update(book).where(book.c.pos == book_pos).values(last=number))
    values = {"book_pos": book_pos, "number": number, "delivery_id": delivery_id}
    new = insert(book_entry).values(**values, state=first.state.value, version=first.version)
    _write(conn, conn.execute(new.returning(book_entry.c.pos)).scalar_one(), first)


def _entry_row(conn: Connection, book_pos: int, number: int) -> Row[Any] | None:
    here = book_entry.c.book_pos == book_pos, book_entry.c.number == number
    return conn.execute(select(book_entry).where(*here)).one_or_none()


def _to_change(conn: Connection, key: BookKey, number: int, by: EntryAuthor, version: int) -> Row[Any]:
    _require_reason(by, "an entry is changed")
    found = _open(conn, key)
    entry = _entry_row(conn, found.pos, number)
    if entry is None:
        raise _no_number(key, number)
    if entry.version != version:
        raise BookError(f"number {number} of the {key} was changed meanwhile; look at it again")
    return entry


def _no_number(key: BookKey, number: int) -> UnknownEntryError:
    return UnknownEntryError(f"the {key} has no number {number}")


def _require_no_entry(conn: Connection, delivery_id: str | None) -> None:
    here = book_entry.c.delivery_id == delivery_id, book_entry.c.state == EntryState.ENTERED.value
    rows = select(book_entry.c.number, book.c.year).join(book, book.c.pos == book_entry.c.book_pos).where(*here)
    if delivery_id is not None and (found := conn.execute(rows).first()) is not None:
        raise BookError(f"the document is registered already, under number {found.number} of {found.year}")


def _require_reason(by: EntryAuthor, what: str) -> None:
    if not by.reason:
        raise BookError(f"{what} for a reason, which stays readable; say why")


def _write(conn: Connection, pos: int, new: Version) -> None:
    conn.execute(
        insert(book_version).values(
            entry_pos=pos,
            version=new.version,
            at=new.by.at,
            person=new.by.person,
            department=new.by.department,
            reason=new.by.reason,
            state=new.state.value,
            fields="" if new.fields is None else new.fields.model_dump_json(exclude_defaults=True),
        )
    )
    conn.execute(update(book_entry).where(book_entry.c.pos == pos).values(state=new.state.value, version=new.version))


def _entries(conn: Connection, key: BookKey, book_pos: int, first: int, last: int) -> Iterator[Entry]:
    between = book_entry.c.number.between(first, last)
    rows = conn.execute(_ENTRIES.where(between), {"book": book_pos}).all()
    for number, group in groupby(rows, key=lambda row: row.number):
        written = list(group)
        yield Entry(key, number, written[0].delivery_id, tuple(map(_version, written)))


def _version(row: Row[Any]) -> Version:
    by = EntryAuthor(row.person, row.at, row.department, row.reason)
    fields = parse(RegisterFields, row.fields, what="entry") if row.fields else None
    return Version(row.version, EntryState(row.state), by, fields)
