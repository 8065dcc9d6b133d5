"""The unit's registers (sổ): numbers that are given once and in order, and entries of which nothing is ever lost.

Decree 30/2020: one series of numbers for each book and year, for paper and electronic documents alike, without a gap.
A number is given by the transaction that writes its entry, so whatever two clerks click or whenever the power goes,
none is given twice and none is left out. A wrong entry is put right by a further version, or struck through with its
reason; its number stays its own.
"""

from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from consumers.errors import BookError, ClosedBookError, NumberTakenError, UnconfirmedBookError
from consumers.spool.book_entries import (
    BOOK,
    MAX_NUMBER,
    BookKey,
    BookRow,
    EntryAuthor,
    EntryState,
    Version,
    columns_of,
    find_book,
    is_unconfirmed,
    next_number,
    no_number,
    read_entries,
)
from consumers.spool.models import book, book_entry, book_version, restored
from schemas.errors import FieldProblem, InvalidError
from schemas.ids import made_at
from schemas.register import SECRET_BOOK, RegisterFields

MAX_RESERVED = 100
"""Numbers reserved at once."""


def begin(conn: Connection, key: BookKey, first: int) -> None:
    """Begin a book with a number of its own, as when a year's first ones stand on paper already.

    Raises:
        BookError: it has begun already, or no book begins with that number.
    """
    if not 1 <= first <= MAX_NUMBER:
        raise BookError(f"a book begins with a number from 1 to {MAX_NUMBER}, not with {first}")
    made = upsert(book).values(**columns_of(key), first=first, last=first - 1).on_conflict_do_nothing()
    if not conn.execute(made).rowcount:
        raise BookError(f"the {key} has begun already; its next number is {next_number(conn, key)}")


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
        UnconfirmedBookError: the books were restored and nobody has said yet which number comes next.
        InvalidError: its day is of another year than the book.
        NumberTakenError: the number is neither the next one nor reserved: somebody was faster. A number that was lost
            is open to a document from before the loss alone.
        BookError: the book is closed or for other documents, or the document has an entry already.
    """
    _require_belongs(key, fields)
    found = _to_number(conn, key)
    _require_no_entry(conn, delivery_id)
    expected = found.last + 1
    if number is not None and number != expected:
        entry = _entry_row(conn, found.pos, number)
        if entry is None or not _may_fill(conn, key, entry, delivery_id):
            taken = "has been given meanwhile" if entry is not None else "is not the next one"
            raise NumberTakenError(f"number {number} of the {key} {taken}; the next number is {expected}")
        fill(conn, entry.pos, Version(entry.version + 1, EntryState.ENTERED, by, fields), delivery_id)
        return number
    give(conn, found.pos, expected, Version(1, EntryState.ENTERED, by, fields), delivery_id)
    return expected


def reserve(conn: Connection, key: BookKey, count: int, by: EntryAuthor) -> list[int]:
    """Take the next numbers for documents that are still to come; the numbers.

    Raises:
        UnconfirmedBookError: as above.
        BookError: the book is closed, there is no reason, or too many are wanted at once.
    """
    _require_reason(by, "a number is reserved")
    if not 1 <= count <= MAX_RESERVED:
        raise BookError(f"{count} numbers cannot be reserved at once; at most {MAX_RESERVED}")
    found = _to_number(conn, key)
    numbers = list(range(found.last + 1, found.last + 1 + count))
    for number in numbers:
        give(conn, found.pos, number, Version(1, EntryState.RESERVED, by, None))
    return numbers


def correct(
    conn: Connection, key: BookKey, number: int, fields: RegisterFields, by: EntryAuthor, *, version: int
) -> None:
    """Put an entry right, or write under a lost number what it stands for; what was said before stays readable.

    Args:
        conn: a transaction that writes.
        key: the book.
        number: of the entry.
        fields: what it is to say.
        by: who corrects it, and why.
        version: that the person was shown.

    Raises:
        UnknownEntryError: the book has no such number.
        InvalidError: its day is of another year than the book.
        BookError: the book is closed, there is no reason, the entry is struck or only reserved, or it was changed
            meanwhile.
    """
    entry = _to_change(conn, key, number, by, version)
    _require_belongs(key, fields)
    if entry.state not in {EntryState.ENTERED, EntryState.LOST}:
        raise BookError(f"number {number} of the {key} is {entry.state}: there is nothing to put right")
    write(conn, entry.pos, Version(version + 1, EntryState.ENTERED, by, fields))


def strike(conn: Connection, key: BookKey, number: int, by: EntryAuthor, *, version: int) -> None:
    """Strike an entry through, or give a reserved number up; the number is never given again.

    Raises:
        UnknownEntryError: as above.
        BookError: as above, or it is struck already.
    """
    entry = _to_change(conn, key, number, by, version)
    if entry.state == EntryState.STRUCK:
        raise BookError(f"number {number} of the {key} is struck through already")
    (before,) = read_entries(conn, key, entry.book_pos, number, number)
    write(conn, entry.pos, Version(version + 1, EntryState.STRUCK, by, before.fields))


def close(conn: Connection, key: BookKey, by: EntryAuthor) -> None:
    """Close a book (khóa sổ): nothing in it changes from then on.

    Raises:
        UnconfirmedBookError: it was restored, and nobody has said yet which number comes next.
        BookError: it is closed already, or numbers in it stand for nothing yet, reserved or lost: they are used,
            written again from the paper or struck through first.
    """
    found = _to_number(conn, key)
    waiting = [EntryState.RESERVED.value, EntryState.LOST.value]
    here = book_entry.c.book_pos == found.pos, book_entry.c.state.in_(waiting)
    empty = conn.scalars(select(book_entry.c.number).where(*here).order_by(book_entry.c.number)).all()
    if empty:
        shown = ", ".join(map(str, empty[:10]))
        raise BookError(
            f"{len(empty)} numbers of the {key} are only reserved or lost ({shown}); use them, write them again from "
            "the paper, or strike them"
        )
    conn.execute(update(book).where(book.c.pos == found.pos).values(closed_at=by.at, closed_by=by.person))


def _open(conn: Connection, key: BookKey) -> BookRow:
    """The book, begun when it is new.

    Raises:
        ClosedBookError: it is closed.
    """
    found = find_book(conn, key)
    if found is None:
        begin(conn, key, 1)
        found = BookRow._make(conn.execute(BOOK, columns_of(key)).one())
    if found.closed_at is not None:
        raise ClosedBookError(f"the {key} is closed; documents of this day belong into another book")
    return found


def _require_belongs(key: BookKey, fields: RegisterFields) -> None:
    """A book is of a year, and so is the day of each of its entries; secrets stand in their own, and nothing else does.

    Raises:
        InvalidError: the day is of another year: no report would count it.
        BookError: it belongs into another book.
    """
    if fields.day.year != key.year:
        raise InvalidError("entry", [FieldProblem("day", f"is of {fields.day.year}, and the book of {key.year}")])
    if fields.secrecy.is_secret is not key.secret:
        wanted = f"the book {SECRET_BOOK!r}" if fields.secrecy.is_secret else "another book"
        raise BookError(f"a document of secrecy {fields.secrecy.value!r} belongs into {wanted}, not into the {key}")


def _to_number(conn: Connection, key: BookKey) -> BookRow:
    """The book, begun when it is new, that a number is to be given in.

    Raises:
        UnconfirmedBookError: it was restored, or may have begun before the loss, and its next number was not said.
        BookError: it is closed.
    """
    if is_unconfirmed(conn, key):
        raise UnconfirmedBookError(
            f"numbers of the {key} may have been given that are not in it: it was restored after a loss, or is another "
            "machine's; say first which number comes next, as the last stamp on paper shows it: `congvan desk "
            "next-number`, or the register's page"
        )
    return _open(conn, key)


def _may_fill(conn: Connection, key: BookKey, entry: Row[Any], delivery_id: str | None) -> bool:
    """Whether a document may be entered under a number that was given: reserved, or lost and it was here before."""
    if entry.state != EntryState.LOST:
        return bool(entry.state == EntryState.RESERVED)
    at = conn.scalar(select(restored.c.at).where(restored.c.unit == key.unit))
    made = None if delivery_id is None else made_at(delivery_id)
    return at is not None and made is not None and made <= at


def give(conn: Connection, book_pos: int, number: int, first: Version, delivery_id: str | None = None) -> None:
    """Write the first version under a number of the book at a place, which is its last from then on."""
    conn.execute(update(book).where(book.c.pos == book_pos).values(last=number))
    values = {"book_pos": book_pos, "number": number, "delivery_id": delivery_id}
    new = insert(book_entry).values(**values, state=first.state.value, version=first.version)
    write(conn, conn.execute(new.returning(book_entry.c.pos)).scalar_one(), first)


def _entry_row(conn: Connection, book_pos: int, number: int) -> Row[Any] | None:
    here = book_entry.c.book_pos == book_pos, book_entry.c.number == number
    return conn.execute(select(book_entry).where(*here)).one_or_none()


def _to_change(conn: Connection, key: BookKey, number: int, by: EntryAuthor, version: int) -> Row[Any]:
    _require_reason(by, "an entry is changed")
    found = _open(conn, key)
    entry = _entry_row(conn, found.pos, number)
    if entry is None:
        raise no_number(key, number)
    if entry.version != version:
        raise BookError(f"number {number} of the {key} was changed meanwhile; look at it again")
    return entry


def _require_no_entry(conn: Connection, delivery_id: str | None) -> None:
    here = book_entry.c.delivery_id == delivery_id, book_entry.c.state == EntryState.ENTERED.value
    rows = select(book_entry.c.number, book.c.year).join(book, book.c.pos == book_entry.c.book_pos).where(*here)
    if delivery_id is not None and (found := conn.execute(rows).first()) is not None:
        raise BookError(f"the document is registered already, under number {found.number} of {found.year}")


def _require_reason(by: EntryAuthor, what: str) -> None:
    if not by.reason:
        raise BookError(f"{what} for a reason, which stays readable; say why")


def fill(conn: Connection, pos: int, new: Version, delivery_id: str | None) -> None:
    """Write under a number that was given what it stands for, and which document."""
    write(conn, pos, new)
    conn.execute(update(book_entry).where(book_entry.c.pos == pos).values(delivery_id=delivery_id))


def write(conn: Connection, pos: int, new: Version) -> None:
    """Add a version to the entry at a place."""
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
    values = {"state": new.state.value, "version": new.version, "notation": new.fields.notation if new.fields else ""}
    conn.execute(update(book_entry).where(book_entry.c.pos == pos).values(values))
