"""The journal of the desk: who did what, when and from where. Rows are added and never changed."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, insert, select

from consumers.spool.models import journal as table

MOST_ROWS = 200
_MAX_TEXT, _MAX_ADDRESS = 500, 64


class JournalAct(StrEnum):
    """What people do."""

    LOGGED_IN = "logged_in"
    LOGIN_FAILED = "login_failed"
    LOGGED_OUT = "logged_out"
    PASSWORD_SET = "password_set"  # noqa: S105 - the name of an act
    SESSIONS_ENDED = "sessions_ended"
    INVITED = "invited"
    REVOKED = "revoked"
    WITHDRAWN = "withdrawn"
    """A role was taken back."""
    NAMED = "named"
    """Somebody's name, title or department was written."""
    REGISTERED = "registered"
    REFUSED = "refused"
    SUBMITTED = "submitted"
    DIRECTED = "directed"
    PROCESSED = "processed"
    NOTED = "noted"
    COMPLETED = "completed"
    CHANGE_REFUSED = "change_refused"
    GIVEN_BACK = "given_back"
    NUMBERS_RESERVED = "numbers_reserved"
    ENTRY_WRITTEN = "entry_written"
    """A document that did not come by the line was entered."""
    ENTRY_CORRECTED = "entry_corrected"
    ENTRY_STRUCK = "entry_struck"
    BOOK_BEGUN = "book_begun"
    BOOK_CLOSED = "book_closed"
    EXPORTED = "exported"
    SENT = "sent"
    """A document of the unit's own was sent, under a number of the outgoing book where it has one."""
    SENT_RECALL = "sent_recall"
    DRAFT_DROPPED = "draft_dropped"
    LETTER_FORM_WRITTEN = "letter_form_written"


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One act; ``at`` in UTC milliseconds."""

    at: int
    person: str
    act: JournalAct
    unit: str
    subject: str
    detail: str = ""
    address: str = ""


def record(conn: Connection, entry: JournalEntry) -> None:
    """Add an act, in the transaction of what it did."""
    values = {
        "at": entry.at,
        "person": entry.person,
        "act": entry.act.value,
        "unit": entry.unit,
        "subject": entry.subject[:_MAX_TEXT],
        "detail": entry.detail[:_MAX_TEXT],
        "address": entry.address[:_MAX_ADDRESS],
    }
    conn.execute(insert(table).values(values))


def entries(
    conn: Connection, units: Collection[str], *, also_of_none: bool = False, before: int = 0, limit: int = 50
) -> list[tuple[int, JournalEntry]]:
    """The latest acts at units, newest first, each with its position.

    Args:
        conn: a transaction that reads.
        units: at these.
        also_of_none: and those that belong to no unit, such as failed logins.
        before: only those before this position; 0: from the newest.
        limit: at most so many.
    """
    wanted = table.c.unit.in_([*units, *([""] if also_of_none else [])])
    rows = select(table).where(wanted).order_by(table.c.pos.desc())
    if before:
        rows = rows.where(table.c.pos < before)
    return [
        (row.pos, JournalEntry(row.at, row.person, JournalAct(row.act), row.unit, row.subject, row.detail, row.address))
        for row in conn.execute(rows.limit(min(limit, MOST_ROWS)))
    ]
