"""Who may do what, and who did: accounts of programs, people with their roles and sessions, the audit."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, text

from router.ledger.models._base import Code, Id, Serial, metadata

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
    Column("detail", String(200), nullable=False, server_default=""),  # what the act set: a day, a successor
    Column("job", Id),  # the redrive it is part of
    Index(None, "unit"),
    Index("ix_audit_job", "job", "pos", sqlite_where=text("job IS NOT NULL"), postgresql_where=text("job IS NOT NULL")),
)
