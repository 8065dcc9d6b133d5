"""Bound what accounts send: the rights of each, and what it has sent by the hour."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "account_rights",
        sa.Column("account", sa.String(length=120), nullable=False),
        sa.Column("reach", sa.String(length=2200), nullable=False),
        sa.Column("max_urgency", sa.Integer(), nullable=False),
        sa.Column("over_below", sa.Integer(), nullable=False),
        sa.Column("dispatches", sa.BigInteger(), nullable=True),
        sa.Column("deliveries", sa.BigInteger(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["account"], ["account.name"], name="fk_account_rights_account_account"),
        sa.PrimaryKeyConstraint("account", name="pk_account_rights"),
    )
    op.create_table(
        "account_use",
        sa.Column("account", sa.String(length=120), nullable=False),
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.Column("dispatches", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("deliveries", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("account", "hour", name="pk_account_use"),
    )


def downgrade() -> None:
    op.drop_table("account_use")
    op.drop_table("account_rights")
