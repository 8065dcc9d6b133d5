"""The way of a dispatch: what was accepted, a delivery for each addressee, every receipt and failed publish."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from router.ledger.models._base import Code, Id, Serial, Word, metadata

dispatch = Table(
    "dispatch",
    metadata,
    Column("id", Id, primary_key=True),
    Column("issuer", Code, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("notation", String(200), nullable=False),
    Column("subject", String(500), nullable=False),
    Column("search", Text, nullable=False),  # notation and subject folded, for search without accents
    Column("urgency", SmallInteger, nullable=False),
    Column("lane", String(8), nullable=False),
    Column("due_at", BigInteger),
    Column("accepted_at", BigInteger, nullable=False),
    # The account that submitted it, its key for it, and the SHA-256 of what it submitted: the same key of the same
    # account with other content is a conflict. Of what was accepted before accounts were kept: the issuer's code.
    Column("account", String(120), nullable=False),
    Column("idempotency_key", String(200), nullable=False),
    Column("submission_sha256", String(64), nullable=False),
    Column("submission", LargeBinary, nullable=False),  # as accepted, canonical JSON
    Column("body", LargeBinary, nullable=False),  # the descriptor that travels, at most 4 kB
    Column("content_sha256", String(64), nullable=False),
    Column("traceparent", String(55), nullable=False),
    Column("total", Integer, nullable=False),
    UniqueConstraint("account", "idempotency_key"),
    Index(None, "accepted_at", "id"),
    Index(None, "issuer", "accepted_at", "id"),
)

dispatch_attachment = Table(
    "dispatch_attachment",
    metadata,
    Column("dispatch_id", Id, ForeignKey("dispatch.id"), primary_key=True),
    Column("position", Integer, primary_key=True),  # -1: the full descriptor of a dispatch too large for a message
    Column("sha256", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("media_type", String(150), nullable=False),
    Column("size", BigInteger, nullable=False),
    # The forms that its descriptor names, see schemas.attachment.Forms.
    Column("zstd_size", BigInteger),
    Column("dcz_size", BigInteger),
    Column("dictionary", String(64)),
    Index(None, "sha256"),
)

dispatch_reference = Table(
    "dispatch_reference",
    metadata,
    Column("dispatch_id", Id, ForeignKey("dispatch.id"), primary_key=True),
    Column("refers_to", Id, primary_key=True),
    Index(None, "refers_to"),
)

dispatch_word = Table(
    "dispatch_word",
    metadata,
    Column("word", Word, primary_key=True),  # folded; of notation, subject, signer, file names, hashes, receipts
    Column("unit", Code, primary_key=True),  # who said it; empty: the dispatch itself has it
    Column("dispatch_id", Id, ForeignKey("dispatch.id"), primary_key=True),
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", Id, primary_key=True),
    Column("dispatch_id", Id, ForeignKey("dispatch.id"), nullable=False),
    Column("unit", Code, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("link", String(16), nullable=False),
    Column("urgency", SmallInteger, nullable=False),
    Column("state", String(20), nullable=False),
    Column("state_at", BigInteger, nullable=False),
    Column("reason", String(1000), nullable=False, server_default=""),  # why it waits, was parked, refused …
    Column("reason_code", String(40), nullable=False, server_default=""),  # see schemas.reasons; empty: none was given
    Column("created_at", BigInteger, nullable=False),
    Column("next_due_at", BigInteger),
    Column("published", Integer, nullable=False, server_default="0"),  # times confirmed by the broker
    Column("failures", Integer, nullable=False, server_default="0"),  # publishes in a row not confirmed
    Column("claimed", SmallInteger, nullable=False, server_default="0"),  # 0: no relay ever had it, and no broker
    Column("recalled_by", Id),  # the dispatch that asks for it back
    Column("due_at", BigInteger),  # the dispatch's
    # When these states were reached first: what the receipts say, kept where statistics read it by the month.
    Column("arrived_at", BigInteger),
    Column("registered_at", BigInteger),
    Column("completed_at", BigInteger),
    # How far its contents have come: bytes at the gateway, of how many, told when. NULL: it never said.
    Column("bytes_held", BigInteger),
    Column("bytes_total", BigInteger),
    Column("held_at", BigInteger),
    Column("paused", SmallInteger, nullable=False, server_default="0"),  # 1: its unit is paused
    Column("handed_to", Code),  # its unit exists no more: who got it instead; empty: nobody
    Column("redriven_at", BigInteger),  # when somebody last had it sent again; rises with every time
    # The newest step of the unit's people: its number, and the latest time of any. What was said before comes too late.
    Column("said_seq", BigInteger),
    Column("said_at", BigInteger),
    # What is owed now, see router.ledger.way.owing: what is to be done next (NULL: nothing more), by when it should be,
    # when that is late, and from when on anything that is owed is late. Since when: state_at.
    Column("duty", String(12)),
    Column("soon_at", BigInteger),
    Column("latest_at", BigInteger),
    Column("late_at", BigInteger),
    Column("register_by", BigInteger),  # when its registration was late, by the terms of then
    UniqueConstraint("unit", "seq"),
    UniqueConstraint("dispatch_id", "unit"),
    Index(
        "ix_delivery_outbox",
        "urgency",
        "next_due_at",
        sqlite_where=text("next_due_at IS NOT NULL"),
        postgresql_where=text("next_due_at IS NOT NULL"),
    ),
    Index(None, "state", "unit"),
    Index(None, "created_at"),
    Index(
        "ix_delivery_due",
        "due_at",
        "state",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    Index(
        "ix_delivery_stopped",
        "state",
        "state_at",
        sqlite_where=text("state IN ('parked', 'expired')"),
        postgresql_where=text("state IN ('parked', 'expired')"),
    ),
    Index(
        "ix_delivery_late",
        "unit",
        "late_at",
        "latest_at",
        "duty",
        sqlite_where=text("late_at IS NOT NULL"),
        postgresql_where=text("late_at IS NOT NULL"),
    ),
)

counted_terms = Table(
    "counted_terms",
    metadata,
    Column("name", String(40), primary_key=True),  # what is counted by them
    Column("counted", String(64), nullable=False, server_default=""),  # the terms by which everything stands
    Column("coming", String(64), nullable=False, server_default=""),  # those by which it is counted anew; empty: none
    Column("after", String(36), nullable=False, server_default=""),  # the delivery up to which that is done
)
"""By which terms (:class:`schemas.duties.Terms`) what is owed for the deliveries was counted."""

receipt = Table(
    "receipt",
    metadata,
    Column("pos", Serial, primary_key=True, autoincrement=True),
    Column("id", Id, nullable=False, unique=True),
    Column("delivery_id", Id, ForeignKey("delivery.id"), nullable=False),
    Column("status", String(20), nullable=False),
    Column("effect", String(8), nullable=False),  # advance, stale, refused, correct, back: see schemas.states.Effect
    Column("recorded_at", BigInteger, nullable=False),
    Column("at", String(40), nullable=False),  # by the teller's clock, RFC 3339 with its offset
    Column("seq", BigInteger),
    Column("content_sha256", String(64)),
    Column("reason", String(1200), nullable=False, server_default=""),
    Column("person", String(200), nullable=False, server_default=""),
    Column("department", String(200), nullable=False, server_default=""),
    Column("register_number", String(50), nullable=False, server_default=""),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("gateway_version", String(50), nullable=False, server_default=""),
    # The ledger's own words, which stand before the teller's in `reason`: why it was refused, what is doubtful.
    Column("remark", String(500), nullable=False, server_default=""),
    Column("code", String(40), nullable=False, server_default=""),  # of the reason: see schemas.reasons
    # The receipt of the same delivery whose fields it puts right, or that it takes back.
    Column("corrects", Id),
    Column("undoes", Id),
    Index(None, "delivery_id"),
)

unit_receipts = Table(
    "unit_receipts",
    metadata,
    Column("unit", Code, primary_key=True),
    Column("spool_id", String(36), nullable=False),  # whose numbers these are; empty until the first hello
    Column("through", BigInteger, nullable=False),  # every receipt up to this one is recorded
    Column("ahead", Text, nullable=False),  # recorded above it, as 7-9,12: see router.rules.number_ranges
    Column("told", BigInteger, nullable=False),  # the highest number known to have been given
    Column("asked", BigInteger, nullable=False),  # what is missing up to this one was asked for
    Column("ask_at", BigInteger),  # when the gateway is asked for what is missing; NULL: nothing is
    Index(
        "ix_unit_receipts_ask_at",
        "ask_at",
        sqlite_where=text("ask_at IS NOT NULL"),
        postgresql_where=text("ask_at IS NOT NULL"),
    ),
)
"""What the ledger has of the receipts that a unit's spool numbered, so that lost ones are noticed."""

attempt = Table(
    "attempt",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("delivery_id", Id, ForeignKey("delivery.id"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("outcome", String(16), nullable=False),  # returned, nacked, timed_out, lost: publishes that failed
    Column("detail", String(500), nullable=False, server_default=""),
    Index(None, "delivery_id"),
)
