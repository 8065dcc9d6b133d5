"""Who may do what, and who did: accounts of programs, people with their roles and sessions, the audit."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, UniqueConstraint, text

from router.ledger.models._base import Code, Id, Serial, metadata
from router.mail import tables as mail_kit
from router.pages import people as kit

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

# What an account may send when that is not what its role gives: see schemas.rights. No row: what the role gives.
account_rights = Table(
    "account_rights",
    metadata,
    Column("account", String(120), ForeignKey("account.name"), primary_key=True),
    Column("reach", String(2200), nullable=False),  # words and unit patterns, a space between any two
    Column("max_urgency", Integer, nullable=False),
    Column("over_below", Integer, nullable=False),  # 1: it may change what units below its issuer have sent
    Column("dispatches", BigInteger),  # an hour; NULL: any number; so the two below
    Column("deliveries", BigInteger),
    Column("bytes", BigInteger),
)

account_use = Table(
    "account_use",
    metadata,
    Column("account", String(120), primary_key=True),
    Column("hour", BigInteger, primary_key=True),  # hours since 1970, UTC
    Column("dispatches", BigInteger, nullable=False, server_default="0"),
    Column("deliveries", BigInteger, nullable=False, server_default="0"),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
)

people_tables = kit.people_tables(
    metadata,
    # Not written any more: ``login_attempt`` counts for names that nobody has, too.
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("locked_until", BigInteger, nullable=False, server_default="0"),
    Column("email", String(254), unique=True),  # by which an identity provider's account is theirs, once
    Column("identity", String(600), unique=True),  # that account from then on: the provider's issuer and its subject
)
person = people_tables.person
mail_tables = mail_kit.mail_tables(metadata)

# A filter of a screen under a name: see router.ledger.people.views.
saved_view = Table(
    "saved_view",
    metadata,
    Column("id", Id, primary_key=True),
    Column("owner", String(64), ForeignKey("person.name"), nullable=False),
    Column("screen", String(16), nullable=False),
    Column("name", String(80), nullable=False),
    Column("query", String(2000), nullable=False),  # of the screen's address
    Column("shared", Integer, nullable=False, server_default="0"),  # 1: with those who see the same units
    UniqueConstraint("owner", "screen", "name"),
)

# Who takes care of a group of what is stuck; the group is named by what its deliveries have in common.
stuck_care = Table(
    "stuck_care",
    metadata,
    Column("id", String(32), primary_key=True),  # of the columns that follow: see router.ledger.queries.StuckKey
    Column("parent", Code, nullable=False),
    Column("state", String(20), nullable=False),
    Column("code", String(40), nullable=False),
    Column("told", String(1000), nullable=False),
    Column("gone", Integer, nullable=False),  # 1: all that waits for ``parent``, which exists no more
    Column("owner", String(64), nullable=False),
    Column("note", String(500), nullable=False),
    Column("at", BigInteger, nullable=False),
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
    Column("detail", String(200), nullable=False, server_default=""),  # what the act set: a day, a successor
    Column("job", Id),  # the redrive or import it is part of
    Index(None, "unit"),
    Index("ix_audit_job", "job", "pos", sqlite_where=text("job IS NOT NULL"), postgresql_where=text("job IS NOT NULL")),
)
