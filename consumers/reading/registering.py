"""Registers a document that has come: its entry in the arrival book and the receipt of it are one transaction."""

from typing import NamedTuple

from consumers.reading.inbox import InboxEntry, checked_receipt, entry_of, write_receipt
from consumers.spool import Spool, books
from consumers.spool.books import BookKey, EntryAuthor
from schemas.register import BookKind, RegisterFields
from schemas.states import Status, require


class Registered(NamedTuple):
    """The delivery as it is now, the book, and its number there."""

    entry: InboxEntry
    key: BookKey
    number: int


def register(
    spool: Spool,
    delivery_id: str,
    fields: RegisterFields,
    by: EntryAuthor,
    *,
    book: str = "",
    number: int | None = None,
) -> Registered:
    """Enter a delivery in its unit's arrival book of the year of its arrival, and tell the issuer.

    Args:
        spool: an open spool.
        delivery_id: the delivery.
        fields: what is entered.
        by: who enters it.
        book: the name of a book of its own; empty: the general one.
        number: that the person was shown; None: whichever is next.

    Raises:
        UnknownDeliveryError: the spool has none with this id.
        TransitionError: it is registered already, refused or taken back.
        BookError: the book is closed, or the number was given meanwhile.
        InvalidError: the person's name is too long for a receipt, or not on one line.
        SpoolUnavailableError: the disk is full or the file is locked.
    """
    with spool.writing() as conn:
        entry = entry_of(conn, delivery_id)
        require(entry.state, Status.REGISTERED)
        key = BookKey(entry.unit, BookKind.INCOMING, fields.day.year, book)
        given = books.enter(conn, key, fields, by, delivery_id=delivery_id, number=number)
        said = {
            "status": Status.REGISTERED.value,
            "person": by.person,
            "department": by.department,
            "register_number": str(given),
        }
        write_receipt(conn, entry, checked_receipt(entry, said))
        return Registered(entry_of(conn, delivery_id), key, given)
