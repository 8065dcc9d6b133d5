"""The copies of units' books: which pieces of which chain an account has brought; their bytes are contents."""

from sqlalchemy import BigInteger, Column, Index, SmallInteger, String, Table

from router.ledger.models._base import Id, metadata

book_copy = Table(
    "book_copy",
    metadata,
    Column("chain", Id, primary_key=True),
    Column("number", SmallInteger, primary_key=True),  # 0: everything; each other one: what has changed since
    Column("account", String(120), nullable=False),  # its name: the only one that reads it
    Column("spool_id", Id, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index(None, "account", "at"),
    Index(None, "sha256"),
)
"""Opaque to the router: it has no key. A content that is named here is not removed."""
