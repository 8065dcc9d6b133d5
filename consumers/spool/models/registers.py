"""The unit's registers, and what reports keep of documents that were forgotten."""

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text, UniqueConstraint, text

from consumers.spool.models._base import metadata

book = Table(
    "book",
    metadata,
    Column("pos", Integer, primary_key=True),
    Column("unit", String, nullable=False),
    Column("kind", String, nullable=False),  # schemas.register.BookKind
    Column("name", String, nullable=False),  # empty: the unit's only one, or the one for all that has none of its own
    Column("year", Integer, nullable=False),
    Column("first", Integer, nullable=False),  # the number that it begins with
    Column("last", Integer, nullable=False),  # the last number given or reserved; first - 1: none
    Column("closed_at", Integer),
    Column("closed_by", Text, nullable=False, server_default=""),
    Column("unconfirmed", Boolean, nullable=False, server_default="0"),  # restored: see consumers.spool.confirming
    UniqueConstraint("unit", "kind", "name", "year"),
)
"""The registers (sổ): one series of numbers for each unit, kind, name and year."""

restored = Table(
    "restored",
    metadata,
    Column("unit", String, primary_key=True),
    Column("at", Integer, nullable=False),
    Column("year", Integer, nullable=False),  # of that day: books up to it may have begun without our knowing
    Column("other", String, nullable=False, server_default="gone"),  # consumers.spool.confirming.OtherSpool
    sqlite_with_rowid=False,
)
"""Units whose books came back after a loss, or may be in another spool: numbers may have been given that nobody here
knows of."""

book_entry = Table(
    "book_entry",
    metadata,
    Column("pos", Integer, primary_key=True),
    Column("book_pos", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("delivery_id", String),  # what came by the line; NULL: it came on paper, goes out, or is reserved
    Column("state", String, nullable=False),  # reserved, entered, struck, lost
    Column("version", Integer, nullable=False),  # the newest of its versions
    Column("notation", String, nullable=False, server_default=""),  # in that version
    UniqueConstraint("book_pos", "number"),
    Index("ix_book_entry_delivery", "delivery_id", unique=True, sqlite_where=text("state = 'entered'")),
    Index("ix_book_entry_notation", "notation", sqlite_where=text("state = 'entered'")),
)
"""One for each number that was given, and none is ever removed."""

book_version = Table(
    "book_version",
    metadata,
    Column("entry_pos", Integer, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("at", Integer, nullable=False),
    Column("person", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("reason", Text, nullable=False),  # why it was put right, struck, or its number reserved
    Column("state", String, nullable=False),
    Column(
        "fields", Text, nullable=False
    ),  # schemas.register.RegisterFields as JSON; empty while it is reserved or lost
    sqlite_with_rowid=False,
)
"""What an entry said from when on: what was put right stays readable."""

past = Table(
    "past",
    metadata,
    Column("delivery_id", String, primary_key=True),
    Column("unit", String, nullable=False),
    Column("secret", Boolean, nullable=False),
    Column("issuer", String, nullable=False),
    Column("type", String, nullable=False),
    Column("urgency", Integer, nullable=False),
    Column("taken_at", Integer, nullable=False),
    Column("registered_at", Integer),
    Column("state", String, nullable=False),
    Column("state_at", Integer, nullable=False),
    Column("lead", Text, nullable=False),  # who led at last; empty: nobody was named
    Column("directed_at", Integer),
    Column("until", Integer),  # by when the last direction wanted it
    Column("answer", Text, nullable=False),  # the notation of what answered it
    Index("ix_past_taken", "unit", "taken_at"),
    sqlite_with_rowid=False,
)
"""What registers and reports still need of deliveries that were forgotten."""
