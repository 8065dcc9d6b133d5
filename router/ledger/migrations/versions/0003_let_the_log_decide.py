"""Let the log decide: the ledger's own words on a receipt, when a delivery was last sent again, whose a key is."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("receipt", sa.Column("remark", sa.String(length=500), server_default="", nullable=False))
    op.add_column("delivery", sa.Column("redriven_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("delivery", "redriven_at")
    op.drop_column("receipt", "remark")
