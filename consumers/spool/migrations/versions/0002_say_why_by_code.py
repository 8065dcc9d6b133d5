"""Keep the code of a reason beside its text."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("inbox", sa.Column("reason_code", sa.String(), nullable=False, server_default=""))
    op.add_column("receipt", sa.Column("code", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("receipt", "code")
    op.drop_column("inbox", "reason_code")
