"""Books after a loss: which numbers may have been given that nobody here knows, and who says which comes next.

A copy is older than the loss, and receipts know nothing of paper. So no number is given in a restored book before
somebody has looked at the last stamp and said which one comes next. What lies between that and what the book knows,
and all that was only reserved, is *lost*: it stays given, its place in the book stays, and it is filled from the paper.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from consumers.errors import BookError
from consumers.spool import books
from consumers.spool.book_entries import BookKey, EntryAuthor, EntryState, Version, find_book
from consumers.spool.models import book, book_entry, restored
from schemas.clock import now_ms
from schemas.zone import zone

REASON = "Số đã cấp trước khi mất dữ liệu; xem trên giấy"
"""Why a number is written down as lost."""
MOST_LOST = 2000
"""Numbers between the last one known and the next: more than a unit gives between two copies; beyond it is mistyped."""


def mark_restored(conn: Connection, units: Iterable[str], by: EntryAuthor, year: int) -> None:
    """Have the next number of every book of these units said before one is given; what was only reserved is lost.

    Args:
        conn: the transaction that restores.
        units: whose books were lost.
        by: who restores, when and why.
        year: of that day, by the office's calendar.
    """
    for unit in sorted(set(units)):
        values = {"unit": unit, "at": by.at, "year": year}
        conn.execute(upsert(restored).values(values).on_conflict_do_update(index_elements=["unit"], set_=values))
        of_unit = select(book.c.pos).where(book.c.unit == unit)
        still_open = book.c.unit == unit, book.c.closed_at.is_(None)
        conn.execute(update(book).where(*still_open).values(unconfirmed=True))
        reserved = select(book_entry.c.pos, book_entry.c.version).where(
            book_entry.c.book_pos.in_(of_unit), book_entry.c.state == EntryState.RESERVED.value
        )
        for row in conn.execute(reserved).all():
            books.write(conn, row.pos, Version(row.version + 1, EntryState.LOST, by, None))


def note_held_before(conn: Connection, batches: Sequence[Collection[str]]) -> list[None]:
    """Have the next number said first at units whose books are in another spool: lost, or another machine's.

    Units that are known to be so, and those that have books here, are left as they are.
    """
    at = now_ms()
    year = datetime.fromtimestamp(at / 1000, zone()).year
    codes = {code for batch in batches for code in batch}
    here = set(conn.scalars(select(book.c.unit).where(book.c.unit.in_(codes))))
    rows = [{"unit": code, "at": at, "year": year} for code in sorted(codes - here)]
    if rows:
        conn.execute(upsert(restored).on_conflict_do_nothing(), rows)
    return [None] * len(batches)


def lose(conn: Connection, book_pos: int, numbers: Iterable[int], by: EntryAuthor) -> None:
    """Write down that these next numbers of a book were given, and that nobody knows to what."""
    for number in numbers:
        books.give(conn, book_pos, number, Version(1, EntryState.LOST, by, None))


def confirm(conn: Connection, key: BookKey, following: int, by: EntryAuthor) -> list[int]:
    """Say which number comes next in a restored book; the numbers that are lost by that.

    Raises:
        BookError: no number of the book is to be said, it is closed, or the number is given already or too far away.
    """
    found = find_book(conn, key)
    if found is None:
        books.begin(conn, key, following)
        return []
    if not found.unconfirmed or found.closed_at is not None:
        told = f"its next number is {found.last + 1}" if found.closed_at is None else "it is closed"
        raise BookError(f"nothing is to be said of the {key}: {told}")
    if not found.last < following <= found.last + 1 + MOST_LOST:
        raise BookError(
            f"{following} cannot be the next number of the {key}: it is above {found.last}, the last one known, and at "
            f"most {found.last + 1 + MOST_LOST}; look at the last stamp on paper"
        )
    lost = list(range(found.last + 1, following))
    lose(conn, found.pos, lost, by)
    conn.execute(update(book).where(book.c.pos == found.pos).values(unconfirmed=False))
    return lost
