"""The log of what was recorded: a hash for each entry, in one order for ever, and what was signed of it."""

from sqlalchemy import BigInteger, Column, LargeBinary, SmallInteger, String, Table, Text

from router.ledger.models._base import metadata

log_head = Table(
    "log_head",
    metadata,
    Column("name", String(16), primary_key=True),  # there is one
    Column("size", BigInteger, nullable=False),  # entries; whoever appends holds this row until its commit
    Column("key", String(300), nullable=False, server_default=""),  # who signs it, see schemas.trust.notes.NoteKey
    Column("sealed", BigInteger, nullable=False, server_default="0"),  # entries whose nodes are in log_node
)

log_entry = Table(
    "log_entry",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),  # from 0 on, without a hole
    Column("kind", String(16), nullable=False),  # see router.ledger.log.entries
    Column("leaf_hash", LargeBinary(32), nullable=False),
    Column("ids", LargeBinary, nullable=False),  # of the rows that it is made of, 16 bytes each
)

log_node = Table(
    "log_node",
    metadata,
    Column("level", SmallInteger, primary_key=True),  # of a subtree of 256 ** level entries that is complete
    Column("number", BigInteger, primary_key=True),  # counted from the left
    Column("hash", LargeBinary(32), nullable=False),
)

log_checkpoint = Table(
    "log_checkpoint",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("note", Text, nullable=False),  # signed, with the signatures of witnesses
)
