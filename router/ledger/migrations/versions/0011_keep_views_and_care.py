"""Keep the filters that people named, who takes care of what is stuck, and where a session came from."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

ID = sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql")
CODE = sa.String(100).with_variant(sa.String(100, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "saved_view",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("screen", sa.String(16), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("query", sa.String(2000), nullable=False),
        sa.Column("shared", sa.Integer(), nullable=False, server_default="0"),
        sa.ForeignKeyConstraint(["owner"], ["person.name"], name="fk_saved_view_owner_person"),
        sa.PrimaryKeyConstraint("id", name="pk_saved_view"),
        sa.UniqueConstraint("owner", "screen", "name", name="uq_saved_view_owner_screen_name"),
    )
    op.create_table(
        "stuck_care",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("parent", CODE, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("told", sa.String(1000), nullable=False),
        sa.Column("gone", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("note", sa.String(500), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_stuck_care"),
    )
    op.add_column("web_session", sa.Column("address", sa.String(64), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("web_session", "address")
    op.drop_table("stuck_care")
    op.drop_table("saved_view")
