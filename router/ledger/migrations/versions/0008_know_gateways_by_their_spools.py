"""Keep the codes of reasons, the spools that gateways named, and why they cannot hand documents over."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

ID = sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql")
CODE = sa.String(100).with_variant(sa.String(100, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "spool",
        sa.Column("id", ID, nullable=False),
        sa.Column("account", sa.String(120), nullable=False),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("heard_at", sa.BigInteger(), nullable=False),
        sa.Column("every_ms", sa.BigInteger(), nullable=False),
        sa.Column("gateway_version", sa.String(50), nullable=False, server_default=""),
        sa.Column("refused_at", sa.BigInteger(), nullable=True),
        sa.Column("disk_free", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_spool"),
    )
    op.create_index("ix_spool_account", "spool", ["account"])
    op.create_index("ix_spool_heard_at", "spool", ["heard_at"])
    op.create_table(
        "unit_trouble",
        sa.Column("unit", CODE, nullable=False),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("why", sa.String(300), nullable=False, server_default=""),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["unit"], ["unit.code"], name="fk_unit_trouble_unit_unit", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("unit", name="pk_unit_trouble"),
    )
    listening = sa.text("silent_at IS NOT NULL")
    op.create_index("ix_line_heard_at", "line", ["heard_at"], sqlite_where=listening, postgresql_where=listening)
    op.add_column("delivery", sa.Column("reason_code", sa.String(40), nullable=False, server_default=""))
    op.add_column("receipt", sa.Column("code", sa.String(40), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("receipt", "code")
    op.drop_column("delivery", "reason_code")
    op.drop_index("ix_line_heard_at", "line")
    op.drop_table("unit_trouble")
    op.drop_table("spool")
