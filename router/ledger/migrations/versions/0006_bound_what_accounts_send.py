"""Bound what accounts send and how passwords are guessed: rights, what was sent by the hour, logins that failed."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0004"


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
    op.create_table(
        "login_attempt",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("locked_until", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_login_attempt"),
    )
    op.create_index("ix_login_attempt_at", "login_attempt", ["at"])
    op.create_table(
        "person_device",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.name"], name="fk_person_device_person_person"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_person_device"),
    )
    op.create_index("ix_person_device_person", "person_device", ["person"])


def downgrade() -> None:
    op.drop_table("person_device")
    op.drop_table("login_attempt")
    op.drop_table("account_use")
    op.drop_table("account_rights")
