"""Keep which receipt another one corrects or undoes."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("receipt", sa.Column("corrects", sa.String()))
    op.add_column("receipt", sa.Column("undoes", sa.String()))


def downgrade() -> None:
    op.drop_column("receipt", "undoes")
    op.drop_column("receipt", "corrects")
