"""Contents: who brought the bytes of which, and which were removed because nobody needs them any more."""

from sqlalchemy import BigInteger, Column, Index, SmallInteger, String, Table, text

from router.ledger.models._base import metadata

content_holder = Table(
    "content_holder",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("account", String(120), primary_key=True),  # its name; the account itself may be gone
    Column("at", BigInteger, nullable=False),  # when it brought the bytes, the last time
    Column("size", BigInteger, nullable=False),
    Column("named", SmallInteger, nullable=False, server_default="0"),  # 1: a dispatch names it, or did
    # What an account has brought and nobody names, to be counted at once.
    Index(
        "ix_content_holder_unnamed",
        "account",
        sqlite_where=text("named = 0"),
        postgresql_where=text("named = 0"),
    ),
)
"""Who brought which bytes: that alone, or a delivery with them, gives the right to name a content."""

content_removed = Table(
    "content_removed",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("at", BigInteger, nullable=False),  # when its file was about to be removed; 0: it may be, and is not yet
)
"""Contents of dispatches that ended long ago, which the retention removes: they are not lost, they are gone."""
