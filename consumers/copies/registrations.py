"""Writes anew, from the ledger's receipts, the entries of the arrival books that no copy holds.

A receipt says a number, who registered, and when; not in which book. A document that arrived in a year belongs into
that year's general book, or into that of state secrets, so it is put there; where its number stands for another
document already, into a book beside that says what it is. Numbers between those known were given to paper, or nobody
knows: they are lost, never free.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from consumers.copies.told import SaidReceipt, ToldDelivery
from consumers.spool import books
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
)
from consumers.spool.confirming import MOST_LOST, lose
from consumers.spool.models import book, book_entry, book_version
from consumers.spool.said import said_at
from schemas.model import parse
from schemas.register import SECRET_BOOK, BookKind, RegisterFields
from schemas.standing import standing
from schemas.states import Status
from schemas.zone import zone

REASON = "Khôi phục từ biên nhận lưu tại máy chủ; không còn bản sao của sổ"
LOST_REASON = "Số đã cấp trước khi mất dữ liệu; không có trong biên nhận"
STRUCK_REASON = "Đã hủy hoặc cấp số khác sau bản sao, theo biên nhận lưu tại máy chủ"
OTHER_BOOK = "khôi phục"
"""The book of numbers that two documents bear, each in a series that receipts do not name."""
_CUT = 200
_FIELDS = select(book_version.c.fields).where(
    book_version.c.entry_pos == bindparam("entry"), book_version.c.version == bindparam("version")
)


@dataclass(frozen=True, slots=True)
class Registration:
    """A registration that the ledger knows: a document, its number, and who entered it.

    ``stands``: it was not undone, and its number was not put right.
    """

    unit: str
    number: int
    told: ToldDelivery
    receipt: SaidReceipt
    stands: bool

    @property
    def arrived(self) -> datetime:
        """When the document came, by the office's clock."""
        return (self.told.arrived_at or self.receipt.at).astimezone(zone())

    @property
    def years(self) -> tuple[int, ...]:
        """Of which books it may be, the likelier first."""
        return tuple(dict.fromkeys((self.arrived.year, self.receipt.at.astimezone(zone()).year)))

    @property
    def book(self) -> str:
        """The name of the book that it belongs into: a state secret is seen by the cleared alone."""
        return SECRET_BOOK if self.told.secrecy.is_secret else ""

    def version(self, number: int) -> Version:
        """What is entered."""
        at = round(self.receipt.at.timestamp() * 1000)
        by = EntryAuthor(self.receipt.person or "?", at, self.receipt.department, REASON)
        told = self.told
        fields = RegisterFields(
            day=self.arrived.date(),
            author=told.author[:_CUT],
            notation=told.notation[:100],
            issued_on=told.issued_on,
            type=told.type,
            subject=told.subject,
            signer=told.signer[:_CUT],
            urgency=told.urgency,
            secrecy=told.secrecy,
            due=None if told.due is None else told.due.astimezone(zone()).date(),
        )
        return Version(number, EntryState.ENTERED if self.stands else EntryState.STRUCK, by, fields)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What was written anew: entries, those of them in :data:`OTHER_BOOK`; numbers that no book has (not counted)."""

    entries: int = 0
    elsewhere: int = 0
    unreadable: int = 0


def rewrite(conn: Connection, unit: str, told: Sequence[ToldDelivery], by: EntryAuthor) -> Rewritten:
    """Have the books say what the ledger knows of a unit's registrations, in the transaction that restores.

    Each number that was ever said of a document stands for it: entered while its registration stands, struck when that
    was undone or another number given. What the books have already stays as it is.

    Args:
        conn: the transaction, in which the spool has caught up with the ledger.
        unit: whose books.
        told: what the ledger has of it.
        by: who restores, when and why.
    """
    said, written = dict(said_at(conn, unit)), _written(conn, unit)
    found: list[Registration] = []
    unreadable = 0
    for one in told:
        words = said.get(one.id) or list(one.written())
        stands = standing(words).told.get(Status.REGISTERED)
        number = stands.register_number if stands else ""
        if any(word.status is Status.REGISTERED for word in words):
            _strike(conn, [entry for entry in written.get(one.id, ()) if str(entry.number) != number], by)
        known = {entry.number for entry in written.get(one.id, ())}
        for text, receipt in one.registrations.items():
            if (given := _number(text)) is None:
                unreadable += not known
            elif given not in known:
                found.append(Registration(unit, given, one, receipt, stands=text == number))
    found.sort(key=lambda item: (item.years[0], item.number, not item.stands))
    elsewhere = sum(_enter(conn, item, by, written.get(item.told.id, ())) for item in found)
    return Rewritten(len(found), elsewhere, unreadable)


def _written(conn: Connection, unit: str) -> dict[str, list[Row[Any]]]:
    """The entries of a unit's documents that came by the line, by delivery, the last number last."""
    columns = (book_entry, book.c.kind, book.c.year, book.c.name)
    rows = select(*columns).join(book, book.c.pos == book_entry.c.book_pos).order_by(book_entry.c.number)
    found: dict[str, list[Row[Any]]] = {}
    for row in conn.execute(rows.where(book.c.unit == unit, book_entry.c.delivery_id.is_not(None))):
        found.setdefault(row.delivery_id, []).append(row)
    return found


def _strike(conn: Connection, entries: Iterable[Row[Any]], by: EntryAuthor) -> None:
    """Strike what was undone, or given another number, after the copy."""
    for row in entries:
        if row.state == EntryState.ENTERED.value:
            fields = conn.scalars(_FIELDS, {"entry": row.pos, "version": row.version}).one()
            said = parse(RegisterFields, fields, what="entry")
            author = EntryAuthor(by.person, by.at, by.department, STRUCK_REASON)
            books.write(conn, row.pos, Version(row.version + 1, EntryState.STRUCK, author, said))


def _number(text: str) -> int | None:
    """The number of a book that a receipt says; None: none of a book."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and 1 <= int(text) <= MAX_NUMBER else None


def _enter(conn: Connection, item: Registration, by: EntryAuthor, before: Sequence[Row[Any]]) -> bool:
    """Enter it where its number is free or lost; whether that is in the book beside.

    A number is put right in the book that the document stands in; what is registered anew may be in any.
    """
    keys = [BookKey(item.unit, BookKind.INCOMING, year, item.book) for year in item.years]
    if before and item.receipt.corrects is not None:
        keys.insert(0, BookKey(item.unit, BookKind(before[-1].kind), before[-1].year, before[-1].name))
    if any(_enter_in(conn, key, item, by, most=MOST_LOST) for key in keys):
        return False
    beside = f"{item.book} {OTHER_BOOK}".strip()
    names = (beside if number == 1 else f"{beside} {number}" for number in count(1))
    others = (BookKey(item.unit, BookKind.INCOMING, item.years[0], name) for name in names)
    return any(_enter_in(conn, key, item, by, most=0) for key in others)


def _enter_in(conn: Connection, key: BookKey, item: Registration, by: EntryAuthor, *, most: int) -> bool:
    """Enter it in a book under its number; False: that is not to be had there.

    Args:
        conn: the transaction.
        key: the book.
        item: what is entered.
        by: who restores.
        most: numbers before it that may be lost; 0: what is between is left out, as no series is known.
    """
    found = find_book(conn, key)
    if found is None:
        books.begin(conn, key, item.number)  # what came before it stands on paper, as far as anybody knows
        found = BookRow._make(conn.execute(BOOK, columns_of(key)).one())
    if item.number <= found.last:
        return _fill(conn, found.pos, item)
    if most and item.number > found.last + 1 + most:
        return False  # mistyped, or of another series: thousands of numbers would be taken as given
    if most:
        lost = range(found.last + 1, item.number)
        lose(conn, found.pos, lost, EntryAuthor(by.person, by.at, by.department, LOST_REASON))
    books.give(conn, found.pos, item.number, item.version(1), item.told.id)
    return True


def _fill(conn: Connection, book_pos: int, item: Registration) -> bool:
    """Enter it under a number that was given; False: that stands for another document."""
    here = book_entry.c.book_pos == book_pos, book_entry.c.number == item.number
    row = conn.execute(select(book_entry).where(*here)).one_or_none()
    if row is None or row.state not in {EntryState.LOST.value, EntryState.RESERVED.value}:
        return False
    books.fill(conn, row.pos, item.version(row.version + 1), item.told.id)
    return True
