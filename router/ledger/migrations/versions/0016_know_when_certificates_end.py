"""Know when the first certificate ends of those that a gateway shows or is shown."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("spool", sa.Column("certificate", sa.String(20), nullable=True))
    op.add_column("spool", sa.Column("certificate_ends_at", sa.BigInteger(), nullable=True))
    known = sa.text("certificate_ends_at IS NOT NULL")
    op.create_index(
        "ix_spool_certificate_ends_at", "spool", ["certificate_ends_at"], sqlite_where=known, postgresql_where=known
    )


def downgrade() -> None:
    op.drop_index("ix_spool_certificate_ends_at", table_name="spool")
    op.drop_column("spool", "certificate_ends_at")
    op.drop_column("spool", "certificate")
