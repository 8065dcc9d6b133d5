"""Remember who brought which bytes, and which contents were removed; what is there is its issuers'."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

UNNAMED = sa.text("named = 0")
# Nobody wrote down which account brought what; so it is each that could have: those that send for the issuer.
DERIVED = """
INSERT INTO content_holder (sha256, account, at, size, named)
SELECT f.sha256, a.name, MAX(d.accepted_at), MAX(f.size), 1
FROM dispatch_attachment f
JOIN dispatch d ON d.id = f.dispatch_id
JOIN account a ON a.pattern = d.issuer
    OR (a.pattern LIKE '%.#' AND (
        d.issuer = substr(a.pattern, 1, length(a.pattern) - 2)
        OR substr(d.issuer, 1, length(a.pattern) - 1) = substr(a.pattern, 1, length(a.pattern) - 1)
    ))
WHERE f.position >= 0
GROUP BY f.sha256, a.name
"""


def upgrade() -> None:
    op.create_table(
        "content_holder",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=120), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("named", sa.SmallInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("sha256", "account", name="pk_content_holder"),
    )
    op.create_index(
        "ix_content_holder_unnamed",
        "content_holder",
        ["account"],
        sqlite_where=UNNAMED,
        postgresql_where=UNNAMED,
    )
    op.create_table(
        "content_removed",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_content_removed"),
    )
    op.get_bind().exec_driver_sql(DERIVED.replace("%", "%%") if op.get_bind().dialect.name == "postgresql" else DERIVED)


def downgrade() -> None:
    op.drop_table("content_removed")
    op.drop_table("content_holder")
