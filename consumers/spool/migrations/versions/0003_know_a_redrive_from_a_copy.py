"""Know a redrive from a copy: when an operator last had a delivery sent again."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("inbox", sa.Column("redriven_at", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("inbox", "redriven_at")
