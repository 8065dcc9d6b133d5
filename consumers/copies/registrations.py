"""Writes anew, from the ledger's receipts, the entries of the arrival books that no copy holds.

A receipt says a number, who registered, and when; not in which book. A document that arrived in a year belongs into
that year's general book, or into that of state secrets, so it is put there; where its number stands for another
document already, into a book beside that says what it is. Numbers between those known were given to paper, or nobody
knows: they are lost, never free.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count

from pydantic import BaseModel
from sqlalchemy import Connection, select

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
from consumers.spool.models import book_entry
from schemas.clock import Day, Moment
from schemas.dispatch import Secrecy, Urgency
from schemas.ids import Id
from schemas.register import SECRET_BOOK, BookKind, RegisterFields
from schemas.states import Status
from schemas.zone import zone

REASON = "Khôi phục từ biên nhận lưu tại máy chủ; không còn bản sao của sổ"
LOST_REASON = "Số đã cấp trước khi mất dữ liệu; không có trong biên nhận"
OTHER_BOOK = "khôi phục"
"""The book of numbers that two documents bear, each in a series that receipts do not name."""
_CUT = 200


class SaidReceipt(BaseModel):
    """A receipt of the unit's, as the router has it."""

    id: Id
    status: str
    at: Moment
    person: str = ""
    department: str = ""
    register_number: str = ""


class ToldDelivery(BaseModel):
    """A delivery as the router tells it."""

    id: Id
    state: str
    state_at: Moment
    arrived_at: Moment | None = None
    author: str
    notation: str
    type: str
    subject: str
    signer: str = ""
    urgency: Urgency = Urgency.NORMAL
    secrecy: Secrecy
    issued_on: Day | None = None
    due: Moment | None = None
    receipts: list[SaidReceipt]

    @property
    def registered(self) -> SaidReceipt | None:
        """What was said last of its registration."""
        return next((one for one in reversed(self.receipts) if one.status == Status.REGISTERED), None)


@dataclass(frozen=True, slots=True)
class Registration:
    """A registration that the ledger knows: a document, its number, and who entered it."""

    unit: str
    number: int
    told: ToldDelivery
    receipt: SaidReceipt

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
        # A registration that was undone leaves its number given, and the document to be registered anew.
        state = EntryState.STRUCK if told.state == Status.ARRIVED else EntryState.ENTERED
        return Version(number, state, by, fields)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What was written anew: entries, those of them in :data:`OTHER_BOOK`; numbers that no book has (not counted)."""

    entries: int = 0
    elsewhere: int = 0
    unreadable: int = 0


def rewrite(conn: Connection, unit: str, told: Sequence[ToldDelivery], by: EntryAuthor) -> Rewritten:
    """Enter what the ledger knows of and the unit's books do not, in the transaction that restores.

    Args:
        conn: the transaction.
        unit: whose books.
        told: what the ledger has of it.
        by: who restores, when and why.
    """
    known = set(conn.scalars(select(book_entry.c.delivery_id).where(book_entry.c.delivery_id.is_not(None))))
    said = [(one, one.registered) for one in told if one.id not in known]
    new = [(one, receipt) for one, receipt in said if receipt is not None]
    found = list(_registrations(unit, new))
    elsewhere = sum(_enter(conn, item, by) for item in sorted(found, key=lambda item: (item.years[0], item.number)))
    return Rewritten(len(found), elsewhere, len(new) - len(found))


def _registrations(unit: str, said: Iterable[tuple[ToldDelivery, SaidReceipt]]) -> Iterator[Registration]:
    for told, receipt in said:
        text = receipt.register_number.strip()
        if text.isascii() and text.isdecimal() and 1 <= int(text) <= MAX_NUMBER:
            yield Registration(unit, int(text), told, receipt)


def _enter(conn: Connection, item: Registration, by: EntryAuthor) -> bool:
    """Enter it where its number is free or lost; whether that is in the book beside."""
    for year in item.years:
        if _enter_in(conn, BookKey(item.unit, BookKind.INCOMING, year, item.book), item, by, most=MOST_LOST):
            return False
    beside = f"{item.book} {OTHER_BOOK}".strip()
    names = (beside if number == 1 else f"{beside} {number}" for number in count(1))
    keys = (BookKey(item.unit, BookKind.INCOMING, item.years[0], name) for name in names)
    return any(_enter_in(conn, key, item, by, most=0) for key in keys)


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
