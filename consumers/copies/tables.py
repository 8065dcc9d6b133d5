"""Which of the spool's tables a copy holds, row by row as they are; columns that they gain later come along.

What people wrote, and the documents that it hangs on: letters and receipts are in the ledger too, but a step or a task
without its document can be shown to nobody, and together they cost less than the books. Contents stay out.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, LargeBinary, Select, Table, select, text

from consumers.spool import models
from consumers.spool.models import metadata, people
from schemas.states import Status

Row = tuple[Any, ...]
Tables = dict[str, dict[Row, dict[str, Any]]]
"""Rows by table and primary key."""

COPIED: tuple[Table, ...] = (
    models.letter,
    models.letter_reference,
    models.letter_form,
    models.inbox,
    models.past,
    models.receipt,
    models.book,
    models.book_entry,
    models.book_version,
    people.person,
    people.role,
    metadata.tables["mail_recipient"],
    metadata.tables["mail_stopped"],
    models.step,
    models.task,
    models.journal,
)
"""In an order in which what is pointed at comes first."""

LEFT_OUT: Mapping[str, str] = {
    "meta": "names the spool itself: a copy never takes its place",
    "unit": "what is hosted the router lists; receipt numbers belong to the spool",
    "unit_name": "the router is asked again",
    "recall": "comes again with what it calls back; the ledger asks anew",
    "content_use": "contents are not copied",
    "outgoing": "what was accepted the ledger has; the files of what waits are lost with the disk",
    "outgoing_file": "as outgoing",
    "desk_letter": "as outgoing; the outgoing book is copied",
    "draft": "their files are lost with the disk",
    "draft_file": "as draft",
    "question": "asked again by whoever waits",
    "gap": "belongs to the spool's own sequence",
    "outage": "of a machine that is no more",
    "restored": "written by whoever restores",
    "mail": "what waits to be sent is told anew, or was told",
    "notice": "as mail",
    "mail_day": "as mail",
    "login_attempt": "of minutes",
    "person_device": "of browsers that log in again",
    "web_session": "a session is not carried to another machine",
}
"""Tables that no copy holds, and why."""

REFERENCES: Mapping[str, str] = {
    "letter_pos": "letter",
    "inbox_pos": "inbox",
    "book_pos": "book",
    "entry_pos": "book_entry",
    "given_by": "step",
    "ended_by": "step",
}
"""Columns that hold a place in another table, or nothing."""

_ARRIVED = models.inbox.c.state != Status.TAKEN.value
_WHICH: Mapping[str, Any] = {
    "inbox": _ARRIVED,
    "letter": models.letter.c.pos.in_(select(models.inbox.c.letter_pos).where(_ARRIVED)),
    "receipt": models.receipt.c.inbox_pos.in_(select(models.inbox.c.pos).where(_ARRIVED)),
}
"""What is still on its way is sent again by the router."""


def read_tables(conn: Connection) -> Tables:
    """All that a copy holds, as it is in this transaction."""
    return {str(table.name): dict(_rows(conn, table)) for table in COPIED}


def key_of(table: Table, row: Mapping[str, Any]) -> Row:
    """What names a row in its table."""
    return tuple(row[column.name] for column in table.primary_key)


def to_column(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with the values that its columns take."""
    return {name: _from_json(table, name, value) for name, value in row.items()}


def unknown_columns(table: Table, names: Sequence[str]) -> list[str]:
    """Columns that this program does not have."""
    return [name for name in names if name not in table.c]


def table_of(name: str) -> Table | None:
    """A copied table; None: there is none of this name."""
    return metadata.tables[name] if name in {table.name for table in COPIED} else None


def _rows(conn: Connection, table: Table) -> Iterator[tuple[Row, dict[str, Any]]]:
    statement: Select[Any] = select(table)
    if table.name in _WHICH:
        statement = statement.where(_WHICH[table.name])
    names = [str(column.name) for column in table.c]
    for row in conn.execute(statement):
        told = dict(zip(names, map(_to_json, row), strict=True))
        yield key_of(table, told), told


def _to_json(value: Any) -> Any:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return [base64.b64encode(value).decode()]


def _from_json(table: Table, name: str, value: Any) -> Any:
    if value is None or not isinstance(table.c[name].type, LargeBinary):
        return value
    return value.encode() if isinstance(value, str) else base64.b64decode(value[0])


def revision_of(conn: Connection) -> str:
    """The revision of the tables."""
    return str(conn.scalar(text("SELECT version_num FROM alembic_version")))
