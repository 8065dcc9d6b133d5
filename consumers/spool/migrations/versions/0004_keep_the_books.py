"""Keep the unit's registers of documents."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "book",
        sa.Column("pos", sa.Integer(), primary_key=True),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("closed_at", sa.Integer(), nullable=True),
        sa.Column("closed_by", sa.Text(), server_default="", nullable=False),
        sa.UniqueConstraint("unit", "kind", "name", "year"),
    )
    op.create_table(
        "book_entry",
        sa.Column("pos", sa.Integer(), primary_key=True),
        sa.Column("book_pos", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("delivery_id", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.UniqueConstraint("book_pos", "number"),
    )
    op.create_index(
        "ix_book_entry_delivery",
        "book_entry",
        ["delivery_id"],
        unique=True,
        sqlite_where=sa.text("state = 'entered'"),
    )
    op.create_table(
        "book_version",
        sa.Column("entry_pos", sa.Integer(), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True),
        sa.Column("at", sa.Integer(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for table in ("book_version", "book_entry", "book"):
        op.drop_table(table)
