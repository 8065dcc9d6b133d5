"""Books after a loss: which numbers may have been given that nobody here knows, and who says which comes next.

A copy is older than the loss, and receipts know nothing of paper. So no number is given in a restored book before
somebody has looked at the last stamp and said which one comes next. What lies between that and what the book knows,
and all that was only reserved, is *lost*: it stays given, its place in the book stays, and it is filled from the paper.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from consumers.errors import BookError
from consumers.spool import books
from consumers.spool.book_entries import BookKey, EntryAuthor, EntryState, Version, find_book, is_unconfirmed
from consumers.spool.models import book, book_entry, restored
from consumers.spool.models import unit as unit_table
from schemas.clock import now_ms
from schemas.zone import zone

REASON = "Số đã cấp trước khi mất dữ liệu; xem trên giấy"
"""Why a number is written down as lost."""
ELSEWHERE = "congvan"
"""Who marks books whose numbers may have been given by another spool."""
REASON_ELSEWHERE = "Sổ của đơn vị có thể đang ở máy khác; xem trên giấy"
MOST_LOST = 2000
"""Numbers between the last one known and the next: more than a unit gives between two copies; beyond it is mistyped."""


class OtherSpool(StrEnum):
    """What is known of the spool that had a unit's books before this one."""

    MAY_BE = "may_be"
    """Nobody has told us yet whether there is one."""
    LIVES = "lives"
    """It works for the unit now, and may give numbers at any time."""
    GONE = "gone"
    """It worked for the unit last, and is silent."""
    OVER = "over"
    """This spool has worked for the unit since."""


@dataclass(frozen=True, slots=True)
class TheOthers:
    """Of which units hosted here the router says that another spool works for them now, or worked for them last."""

    hosted: Collection[str]
    living: Collection[str] = ()
    before: Collection[str] = ()


def mark_restored(
    conn: Connection, units: Iterable[str], by: EntryAuthor, year: int, other: OtherSpool = OtherSpool.GONE
) -> None:
    """Have the next number of every book of these units said before one is given; what was only reserved is lost.

    Args:
        conn: the transaction that restores.
        units: whose books were lost, or are in another spool.
        by: who restores, when and why.
        year: of that day, by the office's calendar.
        other: the spool that had them.
    """
    for unit in sorted(set(units)):
        values = {"unit": unit, "at": by.at, "year": year, "other": other.value}
        conn.execute(upsert(restored).values(values).on_conflict_do_update(index_elements=["unit"], set_=values))
        of_unit = select(book.c.pos).where(book.c.unit == unit)
        still_open = book.c.unit == unit, book.c.closed_at.is_(None)
        conn.execute(update(book).where(*still_open).values(unconfirmed=True))
        reserved = select(book_entry.c.pos, book_entry.c.version).where(
            book_entry.c.book_pos.in_(of_unit), book_entry.c.state == EntryState.RESERVED.value
        )
        for row in conn.execute(reserved).all():
            books.write(conn, row.pos, Version(row.version + 1, EntryState.LOST, by, None))


def suspect(conn: Connection, batches: Sequence[str]) -> list[None]:
    """Have the next number said first at units of which nobody has told yet whether another spool has their books."""
    known = set(conn.scalars(select(restored.c.unit).union(select(book.c.unit))))
    _mark(conn, set(batches) - known, OtherSpool.MAY_BE)
    return [None] * len(batches)


def note_others(conn: Connection, batches: Sequence[TheOthers]) -> list[None]:
    """Have the next number said first wherever another spool may have given some since this one last heard of it.

    So it is at every answer that says that another lives; once more when that is silent; and not again before this
    spool has worked for the unit. What was only suspected is forgotten when there is no other.
    """
    for told in batches:
        rows = conn.execute(select(restored.c.unit, restored.c.other).where(restored.c.unit.in_(told.hosted)))
        known = {row.unit: OtherSpool(row.other) for row in rows}
        gone = set(told.before) - set(told.living)
        _mark(conn, told.living, OtherSpool.LIVES)
        _mark(conn, {unit for unit in gone if known.get(unit) is not OtherSpool.GONE}, OtherSpool.GONE)
        alone = set(known) - set(told.before) - set(told.living)
        if any(known[unit] is not OtherSpool.OVER for unit in alone):
            of_them = restored.c.unit.in_(alone)
            conn.execute(delete(restored).where(of_them, restored.c.other == OtherSpool.MAY_BE.value))
            conn.execute(update(restored).where(of_them).values(other=OtherSpool.OVER.value))
    return [None] * len(batches)


def _mark(conn: Connection, units: Collection[str], other: OtherSpool) -> None:
    at = now_ms()
    by = EntryAuthor(ELSEWHERE, at, reason=REASON_ELSEWHERE)
    mark_restored(conn, units, by, datetime.fromtimestamp(at / 1000, zone()).year, other)


def units_known(conn: Connection) -> list[str]:
    """The units that are hosted here, or whose books are here, or came back."""
    here = select(unit_table.c.code).where(unit_table.c.hosted).union(select(book.c.unit), select(restored.c.unit))
    return sorted(conn.scalars(here))


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
        if not is_unconfirmed(conn, key):
            raise BookError(f"nothing is to be said of the {key}: nothing was lost of it, and it begins by itself")
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
