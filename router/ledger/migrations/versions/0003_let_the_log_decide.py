"""Let the log decide: the ledger's own words on a receipt, when a delivery was last sent again, whose a key is."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

CODE = sa.String(100).with_variant(sa.String(100, collation="C"), "postgresql")
_BY_ISSUER, _BY_ACCOUNT = "uq_dispatch_issuer_idempotency_key", "uq_dispatch_account_idempotency_key"


def upgrade() -> None:
    op.add_column("receipt", sa.Column("remark", sa.String(length=500), server_default="", nullable=False))
    op.add_column("delivery", sa.Column("handed_to", CODE, nullable=True))
    op.add_column("delivery", sa.Column("redriven_at", sa.BigInteger(), nullable=True))
    op.add_column("dispatch", sa.Column("account", sa.String(length=120), nullable=True))
    # Whose key it was is not known of what is here; no account has a unit's code as its name.
    op.execute("UPDATE dispatch SET account = issuer")
    with op.batch_alter_table("dispatch") as table:
        table.alter_column("account", existing_type=sa.String(length=120), nullable=False)
        table.drop_constraint(_BY_ISSUER, type_="unique")
        table.create_unique_constraint(_BY_ACCOUNT, ["account", "idempotency_key"])


def downgrade() -> None:
    # Two accounts may have used one key for the same issuer; the later of them gets one that nobody else has.
    op.execute(
        "UPDATE dispatch SET idempotency_key = id WHERE EXISTS (SELECT 1 FROM dispatch AS other "
        "WHERE other.issuer = dispatch.issuer AND other.idempotency_key = dispatch.idempotency_key "
        "AND other.id < dispatch.id)"
    )
    with op.batch_alter_table("dispatch") as table:
        table.drop_constraint(_BY_ACCOUNT, type_="unique")
        table.create_unique_constraint(_BY_ISSUER, ["issuer", "idempotency_key"])
        table.drop_column("account")
    op.drop_column("delivery", "redriven_at")
    op.drop_column("delivery", "handed_to")
    op.drop_column("receipt", "remark")
