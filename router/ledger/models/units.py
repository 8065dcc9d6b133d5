"""What the ledger knows of units: the directory, their lines, the numbers of their sequences."""

from sqlalchemy import BigInteger, Column, Date, ForeignKey, Index, SmallInteger, String, Table, Text, text

from router.ledger.models._base import Code, Id, Serial, metadata

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

spool = Table(
    "spool",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account", String(120), nullable=False),
    Column("first_seen_at", BigInteger, nullable=False),
    Column("heard_at", BigInteger, nullable=False),  # by a hello, which names it; receipts do not
    Column("every_ms", BigInteger, nullable=False),  # how often it says hello; 0: it never said
    Column("gateway_version", String(50), nullable=False, server_default=""),
    Column("refused_at", BigInteger),  # since when it stands by for units that another holds; NULL: for none
    Column("disk_free", BigInteger),  # bytes above its reserve; NULL: it never said
    # The certificate that ends first of those that it shows or is shown; NULL: it never said.
    Column("certificate", String(20)),
    Column("certificate_ends_at", BigInteger),
    Column("recounts", SmallInteger, nullable=False, server_default="0"),  # 1: it can tell what it holds
    Index(None, "account"),
    Index(None, "heard_at"),
    Index(
        "ix_spool_certificate_ends_at",
        "certificate_ends_at",
        sqlite_where=text("certificate_ends_at IS NOT NULL"),
        postgresql_where=text("certificate_ends_at IS NOT NULL"),
    ),
)
"""The spools that gateways named; the one that works for a unit is ``unit.spool_id``."""

unit_trouble = Table(
    "unit_trouble",
    metadata,
    Column("unit", Code, ForeignKey("unit.code", ondelete="CASCADE"), primary_key=True),
    Column("code", String(40), nullable=False),  # see schemas.reasons
    Column("why", String(300), nullable=False, server_default=""),
    Column("since", BigInteger, nullable=False),
    Column("told_at", BigInteger, nullable=False),
)
"""Why a unit's gateway cannot hand documents over; no row while it can, or has not said."""

line = Table(
    "line",
    metadata,
    Column("unit", Code, ForeignKey("unit.code", ondelete="CASCADE"), primary_key=True),
    Column("state", String(8), nullable=False),  # up, down: see router.rules.outages
    Column("since", BigInteger, nullable=False),
    Column("known_since", BigInteger, nullable=False, server_default="0"),  # when its gateway first reported
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
    Index(
        "ix_line_heard_at",
        "heard_at",
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
    Column("told_by", String(8), nullable=False),  # gateway, silence: see router.rules.outages
    Column("gateway_began_at", BigInteger),  # by the gateway's own clock: shows that a report came twice
    Index(None, "unit", "ended_at"),
    Index(None, "ended_at"),
)
"""When lines were down. An outage that the router only noticed gets the gateway's times when it reports them."""
