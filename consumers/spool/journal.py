"""The journal of the desk: who did what, when and from where. Rows are added and never changed."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, insert, or_, select

from consumers.spool.models import journal as table
from consumers.spool.scope import UnitScope

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
    UNDONE = "undone"
    """A step was a mistake."""
    NUMBERS_RESERVED = "numbers_reserved"
    ENTRY_WRITTEN = "entry_written"
    """A document that did not come by the line was entered."""
    ENTRY_CORRECTED = "entry_corrected"
    ENTRY_STRUCK = "entry_struck"
    BOOK_BEGUN = "book_begun"
    BOOK_CLOSED = "book_closed"
    NEXT_NUMBER_SAID = "next_number_said"
    """After a loss somebody looked at the paper and said which number comes next."""
    RECOVERY_KEY_MADE = "recovery_key_made"
    RESTORED = "restored"
    """The books were put back after a loss."""
    EXPORTED = "exported"
    NUMBERS_ASKED = "numbers_asked"
    """Missing numbers of the unit's series were asked for anew."""
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
    secret: bool = False
    """It tells of a state secret."""


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
        "secret": entry.secret,
    }
    conn.execute(insert(table).values(values))


def _read(row: Row[Any]) -> JournalEntry:
    act = JournalAct(row.act)
    return JournalEntry(row.at, row.person, act, row.unit, row.subject, row.detail, row.address, row.secret)


def entries(
    conn: Connection, units: Collection[str], *, also_of_none: bool = False, before: int = 0, limit: int = 50
) -> list[tuple[int, JournalEntry]]:
    """The latest acts at units, newest first, each with its position.

    Args:
        conn: a transaction that reads.
        units: at these; a scope says where secret ones, too.
        also_of_none: and those that belong to no unit, such as failed logins.
        before: only those before this position; 0: from the newest.
        limit: at most so many.
    """
    wanted = UnitScope.of(units).acts
    rows = select(table).where(or_(wanted, table.c.unit == "") if also_of_none else wanted).order_by(table.c.pos.desc())
    if before:
        rows = rows.where(table.c.pos < before)
    return [(row.pos, _read(row)) for row in conn.execute(rows.limit(min(limit, MOST_ROWS)))]
