"""The tables of the people who use a program's pages. Times are UTC milliseconds since 1970."""

from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, MetaData, String, Table


@dataclass(frozen=True, slots=True)
class PeopleTables:
    """Where a program keeps its people."""

    person: Table
    role: Table
    """What was granted."""
    attempt: Table
    """Logins that failed, by what they count against: see :class:`router.pages.people.Throttle`."""
    device: Table
    """Browsers that a person has logged in with."""
    session: Table


def people_tables(metadata: MetaData, *more: Column[object]) -> PeopleTables:
    """Put the tables of people on a program's metadata.

    Args:
        metadata: the program's.
        more: columns of its own that a person has.
    """
    person = Table(
        "person",
        metadata,
        Column("name", String(64), primary_key=True),  # the login
        Column("password_hash", String(200)),  # argon2id; NULL: none is set yet
        # SHA-256 of the one-time token by which a password is set; NULL: there is none.
        Column("invite_hash", String(64), unique=True),
        Column("invite_expires_at", BigInteger),
        Column("created_at", BigInteger, nullable=False),
        Column("revoked_at", BigInteger),
        *more,
    )
    role = Table(
        "person_role",
        metadata,
        Column("person", String(64), ForeignKey("person.name"), primary_key=True),
        Column("role", String(16), primary_key=True),
        Column("pattern", String(110), primary_key=True),  # the units it is granted on
    )
    attempt = Table(
        "login_attempt",
        metadata,
        # SHA-256 of a name and an address, an address, a name or a device.
        Column("key", String(64), primary_key=True),
        Column("failures", Integer, nullable=False),
        Column("locked_until", BigInteger, nullable=False),
        Column("at", BigInteger, nullable=False),
        Index("ix_login_attempt_at", "at"),
    )
    device = Table(
        "person_device",
        metadata,
        Column("token_hash", String(64), primary_key=True),
        Column("person", String(64), ForeignKey("person.name"), nullable=False),
        Column("used_at", BigInteger, nullable=False),
        Index("ix_person_device_person", "person"),
    )
    session = Table(
        "web_session",
        metadata,
        Column("token_hash", String(64), primary_key=True),  # SHA-256 of the cookie's 256 random bits
        Column("person", String(64), ForeignKey("person.name"), nullable=False),
        Column("opened_at", BigInteger, nullable=False),
        Column("used_at", BigInteger, nullable=False),
        Column("address", String(64), nullable=False, server_default=""),  # where the login came from
        Index("ix_web_session_person", "person"),
    )
    return PeopleTables(person, role, attempt, device, session)
