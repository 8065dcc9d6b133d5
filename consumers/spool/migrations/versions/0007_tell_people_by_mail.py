"""Keep what people are told by e-mail, and what became of each e-mail."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_index("ix_inbox_urgent", "inbox", ["state", "unit"], sqlite_where=sa.text("urgency > 0"))
    op.create_table(
        "mail_recipient",
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("address", sa.String(254), nullable=False),
        sa.Column("language", sa.String(2), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("handle", sa.String(32), nullable=False),
        sa.Column("secret", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.name"]),
        sa.PrimaryKeyConstraint("person"),
        sa.UniqueConstraint("handle"),
    )
    op.create_table(
        "mail_stopped",
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.name"]),
        sa.PrimaryKeyConstraint("person", "kind"),
    )
    op.create_table(
        "notice",
        sa.Column("pos", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(120), nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("reach", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("mail", sa.String(36), nullable=True),
        sa.PrimaryKeyConstraint("pos"),
        sa.UniqueConstraint("person", "kind", "subject", "day"),
    )
    op.create_index("ix_notice_mail", "notice", ["mail"])
    op.create_index(
        "ix_notice_waiting",
        "notice",
        ["person", "kind"],
        sqlite_where=sa.text("mail IS NULL"),
        postgresql_where=sa.text("mail IS NULL"),
    )
    op.create_table(
        "mail",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("title", sa.String(150), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.String(500), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_mail_state", "mail", ["state", "next_at"])
    op.create_index("ix_mail_person", "mail", ["person", "kind", "created_at"])
    op.create_table(
        "mail_day",
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("newest", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", name="pk_mail_day"),
    )


def downgrade() -> None:
    for table in ("mail_day", "mail", "notice", "mail_stopped", "mail_recipient"):
        op.drop_table(table)
    op.drop_index("ix_inbox_urgent", "inbox")
