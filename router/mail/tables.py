"""The tables of notices and of the e-mails made of them. Times are UTC milliseconds since 1970."""

from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, MetaData, String, Table, Text, UniqueConstraint
from sqlalchemy import text as sql


@dataclass(frozen=True, slots=True)
class MailTables:
    """Where a program keeps its notices."""

    recipient: Table
    """Who has an address."""
    stopped: Table
    """Kinds of notices that somebody does not want."""
    notice: Table
    """What is to be told to whom: a row is never made twice, and while it is remembered nothing is told again."""
    mail: Table
    """The e-mails made of notices: the outbox."""
    day: Table
    """Days that the program has seen: see :mod:`router.mail.days`."""

    @property
    def of_recipients(self) -> tuple[Table, ...]:
        """What is kept of somebody as long as they may be told."""
        return self.recipient, self.stopped


def mail_tables(metadata: MetaData) -> MailTables:
    """Put the tables of notices on a program's metadata, beside its people's."""
    recipient = Table(
        "mail_recipient",
        metadata,
        Column("person", String(64), ForeignKey("person.name"), primary_key=True),
        Column("address", String(254), nullable=False),
        Column("language", String(2), nullable=False),
        Column("since", BigInteger, nullable=False),  # nothing that happened before is told
        # The name and the key of the links by which notices are stopped without a login; another address, other ones.
        Column("handle", String(32), nullable=False, unique=True),
        Column("secret", String(64), nullable=False),
    )
    stopped = Table(
        "mail_stopped",
        metadata,
        Column("person", String(64), ForeignKey("person.name"), primary_key=True),
        Column("kind", String(16), primary_key=True),
    )
    notice = Table(
        "notice",
        metadata,
        Column("pos", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
        Column("person", String(64), nullable=False),
        Column("kind", String(16), nullable=False),
        Column("subject", String(120), nullable=False),  # what is told: an id and what became of it
        Column("day", String(10), nullable=False),  # of a digest, ISO; empty: told once and for all
        Column("reach", Text, nullable=False),  # router.mail.notices.Reach as JSON
        Column("content", Text, nullable=False),  # router.mail.notices.NoticeText as JSON, until it was told
        Column("created_at", BigInteger, nullable=False),
        Column("mail", String(36)),  # the e-mail that tells it; NULL: it waits for one; empty: there is nothing to tell
        UniqueConstraint("person", "kind", "subject", "day"),
        Index("ix_notice_mail", "mail"),
        Index(
            "ix_notice_waiting",
            *("person", "kind"),
            sqlite_where=sql("mail IS NULL"),
            postgresql_where=sql("mail IS NULL"),
        ),
    )
    mail = Table(
        "mail",
        metadata,
        Column("id", String(36), primary_key=True),  # UUIDv7; its Message-ID is made of it
        Column("person", String(64), nullable=False),
        Column("kind", String(16), nullable=False),
        Column("title", String(150), nullable=False),  # of the first notice in it
        Column("state", String(8), nullable=False),  # router.mail.states.MailState
        Column("attempts", Integer, nullable=False, server_default="0"),
        Column("next_at", BigInteger, nullable=False),  # while it waits: nobody touches it before then
        Column("created_at", BigInteger, nullable=False),
        Column("ended_at", BigInteger),
        Column("error", String(500), nullable=False, server_default=""),  # what the server said last
        Index("ix_mail_state", "state", "next_at"),
        Index("ix_mail_person", "person", "kind", "created_at"),
    )
    day = Table(
        "mail_day",
        metadata,
        Column("day", String(10), primary_key=True),  # ISO, UTC
        Column("newest", BigInteger, nullable=False),  # the place of the newest notice when it was first seen
    )
    return MailTables(recipient, stopped, notice, mail, day)
