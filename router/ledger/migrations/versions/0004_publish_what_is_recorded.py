"""Publish what is recorded: a place in the log of receipts up to which it is published.

What was recorded before was read by issuers from the gateways' own messages, so the place begins at the log's end.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "publication",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("through", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.String(length=36), server_default="", nullable=False),
        sa.Column("until", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_publication"),
    )
    op.execute("INSERT INTO publication (name, through) SELECT 'receipts.recorded', COALESCE(MAX(pos), 0) FROM receipt")


def downgrade() -> None:
    op.drop_table("publication")
