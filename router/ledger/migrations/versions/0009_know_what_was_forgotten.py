"""Keep what gateways tell of that an older ledger has forgotten, and how far it has been asked back."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

ID = sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql")
CODE = sa.String(100).with_variant(sa.String(100, collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "forgotten",
        sa.Column("delivery_id", ID, nullable=False),
        sa.Column("unit", CODE, nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.String(300), nullable=False, server_default=""),
        sa.Column("given_up_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_forgotten"),
    )
    still_open = sa.text("given_up_at IS NULL")
    op.create_index("ix_forgotten_open", "forgotten", ["made_at"], sqlite_where=still_open, postgresql_where=still_open)
    op.create_table(
        "recovery",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("opened_by", sa.String(120), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("dispatches", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("deliveries", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("receipts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_recovery"),
    )
    op.create_table(
        "recovery_unit",
        sa.Column("unit", CODE, nullable=False),
        sa.Column("spool_id", ID, nullable=False),
        sa.Column("after", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("ask_at", sa.BigInteger(), nullable=True),
        sa.Column("asked_at", sa.BigInteger(), nullable=True),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column("told", sa.Integer(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("unit", name="pk_recovery_unit"),
    )
    due = sa.text("ask_at IS NOT NULL")
    op.create_index("ix_recovery_unit_ask_at", "recovery_unit", ["ask_at"], sqlite_where=due, postgresql_where=due)
    op.add_column("spool", sa.Column("recounts", sa.SmallInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("spool", "recounts")
    op.drop_table("recovery_unit")
    op.drop_table("recovery")
    op.drop_table("forgotten")
