"""Redrives: jobs that send again what got stuck, and the deliveries that each sends."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, UniqueConstraint, text

from router.ledger.models._base import Code, Id, metadata

redrive = Table(
    "redrive",
    metadata,
    Column("id", Id, primary_key=True),
    # Who made it, and the token by which a repeated request is known; the address it came from.
    Column("maker_kind", String(8), nullable=False),
    Column("maker", String(120), nullable=False),
    Column("token", String(200), nullable=False),
    Column("address", String(64), nullable=False, server_default=""),
    Column("made_at", BigInteger, nullable=False),
    Column("filter", String(1000), nullable=False),  # as it was written; its deliveries are those of redrive_item
    Column("cut_at", BigInteger, nullable=False),  # what got stuck at this time or later is not part of it
    Column("reason", String(500), nullable=False),
    Column("pace", String(8), nullable=False),
    Column("per_minute", Integer),
    Column("watch_ms", BigInteger, nullable=False),  # how long after its sending a failure stops the job
    Column("total", Integer, nullable=False),
    Column("state", String(12), nullable=False),
    Column("state_at", BigInteger, nullable=False),
    Column("note", String(1000), nullable=False, server_default=""),  # why it is in its state
    Column("allowed", Integer, nullable=False),  # how many may be sent so far
    Column("send_at", BigInteger, nullable=False),  # by its rate the next one may go then
    # On whose authority it goes on: who made it, or let it go on since.
    Column("by_kind", String(8), nullable=False),
    Column("by", String(120), nullable=False),
    UniqueConstraint("maker_kind", "maker", "token"),
    Index(None, "state"),
)

redrive_item = Table(
    "redrive_item",
    metadata,
    Column("redrive_id", Id, ForeignKey("redrive.id"), primary_key=True),
    Column("delivery_id", Id, ForeignKey("delivery.id"), primary_key=True),
    Column("unit", Code, nullable=False),
    Column("outcome", String(12), nullable=False),
    Column("sent_at", BigInteger),
    Column("note", String(1000), nullable=False, server_default=""),
    Index(None, "redrive_id", "outcome", "delivery_id"),
    Index(None, "redrive_id", "unit", "outcome"),
    Index(
        "ix_redrive_item_watched",
        "outcome",  # always the same; SQLite takes the index only for a column that is asked for
        "redrive_id",
        sqlite_where=text("outcome = 'watched'"),
        postgresql_where=text("outcome = 'watched'"),
    ),
    Index(
        "ix_redrive_item_under_way",
        "outcome",  # as above
        "delivery_id",
        sqlite_where=text("outcome = 'under_way'"),
        postgresql_where=text("outcome = 'under_way'"),
    ),
)
