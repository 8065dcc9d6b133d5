"""Keep which receipt another one corrects or undoes."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

ID = sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("receipt", sa.Column("corrects", ID))
    op.add_column("receipt", sa.Column("undoes", ID))
    op.add_column("delivery", sa.Column("said_seq", sa.BigInteger()))
    op.add_column("delivery", sa.Column("said_at", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("delivery", "said_at")
    op.drop_column("delivery", "said_seq")
    op.drop_column("receipt", "undoes")
    op.drop_column("receipt", "corrects")
