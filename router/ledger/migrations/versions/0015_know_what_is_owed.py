"""Know what is owed for each delivery and by when; the router counts it for those that are there already."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

TIMES = "soon_at", "latest_at", "late_at", "register_by"


def upgrade() -> None:
    op.add_column("delivery", sa.Column("duty", sa.String(12), nullable=True))
    for name in TIMES:
        op.add_column("delivery", sa.Column(name, sa.BigInteger(), nullable=True))
    late = sa.text("late_at IS NOT NULL")
    columns = ["unit", "late_at", "latest_at", "duty"]
    op.create_index("ix_delivery_late", "delivery", columns, sqlite_where=late, postgresql_where=late)
    op.create_table(
        "counted_terms",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("counted", sa.String(64), nullable=False, server_default=""),
        sa.Column("coming", sa.String(64), nullable=False, server_default=""),
        sa.Column("after", sa.String(36), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("name", name="pk_counted_terms"),
    )


def downgrade() -> None:
    op.drop_table("counted_terms")
    op.drop_index("ix_delivery_late", "delivery")
    for name in (*TIMES, "duty"):
        op.drop_column("delivery", name)
