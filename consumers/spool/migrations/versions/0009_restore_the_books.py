"""Know which books were restored after a loss, so that no number is given twice."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("book", sa.Column("unconfirmed", sa.Boolean(), server_default="0", nullable=False))
    op.create_table(
        "restored",
        sa.Column("unit", sa.String(), primary_key=True),
        sa.Column("at", sa.Integer(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("other", sa.String(), server_default="gone", nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("restored")
    op.drop_column("book", "unconfirmed")
