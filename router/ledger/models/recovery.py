"""What the ledger has forgotten because an older copy of it was restored, and how far it has been asked back."""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, text

from router.ledger.models._base import Code, Id, Serial, metadata

forgotten = Table(
    "forgotten",
    metadata,
    Column("delivery_id", Id, primary_key=True),
    Column("unit", Code, nullable=False),
    Column("made_at", BigInteger, nullable=False),  # as its id says
    Column("told_at", BigInteger, nullable=False),  # when a gateway first told of it
    Column("why", String(300), nullable=False, server_default=""),  # why it could not be rebuilt
    Column("given_up_at", BigInteger),  # when somebody ended the recovery without it; NULL: it needs attention
    Index(
        "ix_forgotten_open",
        "made_at",
        sqlite_where=text("given_up_at IS NULL"),
        postgresql_where=text("given_up_at IS NULL"),
    ),
)
"""Deliveries that gateways report and that are not in the ledger; a row goes when its delivery is rebuilt."""

recovery = Table(
    "recovery",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("opened_at", BigInteger, nullable=False),
    Column("opened_by", String(120), nullable=False),
    Column("since", BigInteger, nullable=False),  # dispatches accepted in this time are asked for, UTC ms
    Column("until", BigInteger, nullable=False),
    Column("dispatches", Integer, nullable=False, server_default="0"),  # rebuilt so far
    Column("deliveries", Integer, nullable=False, server_default="0"),
    Column("receipts", Integer, nullable=False, server_default="0"),
    Column("ended_at", BigInteger),
)
"""Recoveries of the ledger; one at a time is not ended."""

recovery_unit = Table(
    "recovery_unit",
    metadata,
    Column("unit", Code, primary_key=True),
    Column("spool_id", Id, nullable=False),  # whose places these are
    Column("after", BigInteger, nullable=False, server_default="0"),  # the place up to which pages are recorded
    Column("ask_at", BigInteger),  # when the next page is asked for; NULL: it is not to be asked for now
    Column("asked_at", BigInteger),
    Column("done_at", BigInteger),  # when it had told everything
    Column("told", Integer, nullable=False, server_default="0"),  # deliveries, known or not
    Index(
        "ix_recovery_unit_ask_at",
        "ask_at",
        sqlite_where=text("ask_at IS NOT NULL"),
        postgresql_where=text("ask_at IS NOT NULL"),
    ),
)
"""The units of the recovery that is not ended, whose gateways can tell what they hold."""
