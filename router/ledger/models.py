"""The ledger's tables (SQLAlchemy Core). Times are UTC milliseconds since 1970, sizes bytes, ids UUIDv7 as text.

``delivery`` holds the present state of one dispatch for one unit; ``receipt`` is append-only and holds how it came to
be so. ``delivery.next_due_at`` is the outbox: when it is in the past, the relay publishes the delivery; when it is
NULL, nothing is to be sent. A relay claims a delivery by moving ``next_due_at`` a lease ahead, so a relay that dies
gives its claim back by itself.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
Serial = BigInteger().with_variant(Integer, "sqlite")
# Compared by bytes on every database, so that a subtree is one range of an index: see router.ledger.scope.
Id = String(36).with_variant(String(36, collation="C"), "postgresql")
Code = String(100).with_variant(String(100, collation="C"), "postgresql")

unit = Table(
    "unit",
    metadata,
    Column("code", Code, primary_key=True),
    Column("parent", Code),
    Column("name", String(200), nullable=False),
    Column("name_folded", Text, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("link", String(16), nullable=False),
    Column("note", String(500), nullable=False, server_default=""),
    Column("opening", String(200), nullable=False, server_default=""),  # its line's hours: see schemas.opening
    Column("valid_from", Date),
    Column("valid_to", Date),
    Column("successor", Code),
    Column("changed_at", BigInteger, nullable=False, server_default="0"),
    # Nothing new is sent to a paused unit; a muted one calls for nobody's attention.
    Column("paused_at", BigInteger),
    Column("paused_by", String(120)),
    Column("paused_why", String(500)),
    Column("muted_until", BigInteger),
    Column("muted_by", String(120)),
    Column("muted_why", String(500)),
    # What its gateway last said of itself.
    Column("last_seen_at", BigInteger),
    Column("spool_id", Id),
    Column("gateway_version", String(50)),
    Index(None, "parent"),
    Index(None, "spool_id"),
    Index(
        "ix_unit_paused",
        "code",
        sqlite_where=text("paused_at IS NOT NULL"),
        postgresql_where=text("paused_at IS NOT NULL"),
    ),
    Index(
        "ix_unit_muted",
        "muted_until",
        sqlite_where=text("muted_until IS NOT NULL"),
        postgresql_where=text("muted_until IS NOT NULL"),
    ),
)

line = Table(
    "line",
    metadata,
    Column("unit", Code, ForeignKey("unit.code", ondelete="CASCADE"), primary_key=True),
    Column("state", String(8), nullable=False),  # up, down: see router.outages
    Column("since", BigInteger, nullable=False),
    Column("heard_at", BigInteger, nullable=False),  # by a report or any receipt
    Column("reported_at", BigInteger, nullable=False, server_default="0"),
    Column("every_ms", BigInteger, nullable=False),  # how often its gateway says so while it is up
    Column("silent_at", BigInteger),  # when it is taken to be down, if nothing is heard until then; NULL: it is
    Column("rate_down", BigInteger),  # bytes/s, as the gateway measured it; NULL: it never did
    Column("rate_up", BigInteger),
    Column("clock_skew_ms", BigInteger, nullable=False),  # the gateway's clock minus ours
    Index(None, "state", "unit"),
    Index(
        "ix_line_silent_at",
        "silent_at",
        sqlite_where=text("silent_at IS NOT NULL"),
        postgresql_where=text("silent_at IS NOT NULL"),
    ),
)
"""What the router knows of a unit's line; no row for a unit whose gateway never said."""

outage = Table(
    "outage",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("unit", Code, nullable=False),
    Column("began_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),  # NULL: it lasts
    Column("told_by", String(8), nullable=False),  # gateway, silence: see router.outages
    Column("gateway_began_at", BigInteger),  # by the gateway's own clock: tells a report that comes twice
    Index(None, "unit", "ended_at"),
    Index(None, "ended_at"),
)
"""When lines were down. An outage that the router only noticed gets the gateway's times when it tells them."""

unit_code = Table(
    "unit_code",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("unit", Code, ForeignKey("unit.code", ondelete="CASCADE"), nullable=False),
    Column("scheme", String(200), nullable=False),
    Column("code", String(200), nullable=False),
    Column("valid_from", Date),
    Column("valid_to", Date),
    Index(None, "unit"),
    Index(None, "scheme", "code"),
)

unit_sequence = Table(
    "unit_sequence",
    metadata,
    Column("unit", Code, primary_key=True),
    Column("last", BigInteger, nullable=False),
)

account = Table(
    "account",
    metadata,
    Column("name", String(120), primary_key=True),
    # gateway: ``pattern`` is the units it hosts; issuer: the units it may send for; operator: all.
    Column("role", String(16), nullable=False),
    Column("token_key", String(16), nullable=False, unique=True),  # the public middle part of the token
    Column("pattern", String(110), nullable=False),
    # Salted SHA-256 of a 256-bit random token, in RabbitMQ's password_hash form: one secret for HTTP and AMQP.
    Column("token_hash", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("changed_at", BigInteger, nullable=False, server_default="0"),
    Index(None, "pattern"),
)

person = Table(
    "person",
    metadata,
    Column("name", String(64), primary_key=True),  # the login
    Column("password_hash", String(200)),  # argon2id; NULL: none is set yet
    # SHA-256 of the one-time token by which a password is set; NULL: there is none.
    Column("invite_hash", String(64), unique=True),
    Column("invite_expires_at", BigInteger),
    Column("failures", Integer, nullable=False, server_default="0"),  # logins in a row that did not succeed
    Column("locked_until", BigInteger, nullable=False, server_default="0"),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Column("email", String(254), unique=True),  # by which an identity provider's account is theirs, once
    Column("identity", String(600), unique=True),  # that account from then on: the provider's issuer and its subject
)

person_role = Table(
    "person_role",
    metadata,
    Column("person", String(64), ForeignKey("person.name"), primary_key=True),
    Column("role", String(16), primary_key=True),
    Column("pattern", String(110), primary_key=True),  # the units it is granted on
)

web_session = Table(
    "web_session",
    metadata,
    Column("token_hash", String(64), primary_key=True),  # SHA-256 of the cookie's 256 random bits
    Column("person", String(64), ForeignKey("person.name"), nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("used_at", BigInteger, nullable=False),
    Index(None, "person"),
)

# Append-only: there is no function that changes or deletes a row of it.
audit = Table(
    "audit",
    metadata,
    Column("pos", Serial, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("person", String(64), nullable=False),
    Column("act", String(32), nullable=False),
    Column("subject", String(200), nullable=False),  # what was acted on: an id, a name, a filter
    Column("unit", Code, nullable=False),  # whose unit it concerns; empty: no unit in particular
    Column("reason", String(1000), nullable=False, server_default=""),
    Column("address", String(64), nullable=False, server_default=""),  # where the person's request came from
    Index(None, "unit"),
)

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
    # The submitter's key and the SHA-256 of what it submitted: the same key with other content is a conflict.
    Column("idempotency_key", String(200), nullable=False),
    Column("submission_sha256", String(64), nullable=False),
    Column("submission", LargeBinary, nullable=False),  # as accepted, canonical JSON
    Column("body", LargeBinary, nullable=False),  # the descriptor that travels, at most 4 kB
    Column("content_sha256", String(64), nullable=False),
    Column("traceparent", String(55), nullable=False),
    Column("total", Integer, nullable=False),
    UniqueConstraint("issuer", "idempotency_key"),
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
    # The forms its descriptor tells of, see schemas.attachment.Forms.
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
)

receipt = Table(
    "receipt",
    metadata,
    Column("pos", Serial, primary_key=True, autoincrement=True),
    Column("id", Id, nullable=False, unique=True),
    Column("delivery_id", Id, ForeignKey("delivery.id"), nullable=False),
    Column("status", String(20), nullable=False),
    Column("effect", String(8), nullable=False),  # advance, stale, refused: see schemas.states.Effect
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
    Index(None, "delivery_id"),
)

unit_receipts = Table(
    "unit_receipts",
    metadata,
    Column("unit", Code, primary_key=True),
    Column("spool_id", String(36), nullable=False),  # whose numbers these are; empty until the first hello
    Column("through", BigInteger, nullable=False),  # every receipt up to this one is recorded
    Column("ahead", Text, nullable=False),  # recorded above it, as 7-9,12: see router.spans
    Column("told", BigInteger, nullable=False),  # the highest number known to have been given
    Column("asked", BigInteger, nullable=False),  # what misses up to this one was asked for
    Column("ask_at", BigInteger),  # when the gateway is asked for what misses; NULL: nothing does
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
)
