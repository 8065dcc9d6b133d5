"""Keep the encrypted copies of units' books."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

ID = sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "book_copy",
        sa.Column("chain", ID, nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("account", sa.String(120), nullable=False),
        sa.Column("spool_id", ID, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("chain", "number", name="pk_book_copy"),
    )
    op.create_index("ix_book_copy_account_at", "book_copy", ["account", "at"])
    op.create_index("ix_book_copy_sha256", "book_copy", ["sha256"])


def downgrade() -> None:
    op.drop_index("ix_book_copy_sha256", table_name="book_copy")
    op.drop_index("ix_book_copy_account_at", table_name="book_copy")
    op.drop_table("book_copy")
