"""What a document refers to and what refers to it, as far as it is here and may be seen."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, select

from consumers.reading.inbox import InboxEntry, entry_columns, read_entry
from consumers.spool.models import inbox, letter, letter_reference
from consumers.spool.scope import UnitScope
from schemas.dispatch import Kind

_MOST = 50


@dataclass(frozen=True, slots=True)
class DocumentReference:
    """One way to another document: what the one that refers does, and the other; None: it is not here."""

    kind: Kind
    entry: InboxEntry | None


def refers_to(conn: Connection, scope: UnitScope, entry: InboxEntry) -> list[DocumentReference]:
    """The documents that a document answers, recalls, updates or replaces."""
    own = select(letter.c.pos).where(letter.c.dispatch_id == entry.dispatch_id).scalar_subquery()
    named = select(letter_reference.c.dispatch_id).where(letter_reference.c.letter_pos == own).limit(_MOST)
    wanted = conn.scalars(named).all()
    found = {other.dispatch_id: other for other in _here(conn, scope, entry, letter.c.dispatch_id.in_(wanted))}
    return [DocumentReference(entry.kind, found.get(dispatch_id)) for dispatch_id in wanted]


def referred_by(conn: Connection, scope: UnitScope, entry: InboxEntry) -> list[DocumentReference]:
    """The documents here that answer, recall, update or replace a document."""
    letters = select(letter_reference.c.letter_pos).where(letter_reference.c.dispatch_id == entry.dispatch_id)
    return [
        DocumentReference(other.kind, other) for other in _here(conn, scope, entry, inbox.c.letter_pos.in_(letters))
    ]


def _here(conn: Connection, scope: UnitScope, entry: InboxEntry, wanted: ColumnElement[bool]) -> list[InboxEntry]:
    """Documents of the same unit, the newest first."""
    rows = select(*entry_columns()).join(letter, letter.c.pos == inbox.c.letter_pos)
    rows = rows.where(wanted, scope.only(entry.unit).documents_beside).order_by(inbox.c.pos.desc()).limit(_MOST)
    return list(map(read_entry, conn.execute(rows)))
