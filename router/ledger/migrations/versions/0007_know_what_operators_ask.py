"""Know what operators ask: since when a line is observed, what an act set, which redrive it is of."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0001"

ID = sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql")
JOB = sa.text("job IS NOT NULL")
UNDER_WAY = sa.text("outcome = 'under_way'")


def upgrade() -> None:
    op.add_column("line", sa.Column("known_since", sa.BigInteger(), server_default="0", nullable=False))
    op.execute(
        "UPDATE line SET known_since = CASE WHEN first.began < line.since THEN first.began ELSE line.since END FROM"
        " (SELECT line.unit, coalesce(min(outage.began_at), min(line.since)) AS began FROM line"
        " LEFT JOIN outage ON outage.unit = line.unit GROUP BY line.unit) AS first WHERE first.unit = line.unit"
    )
    op.add_column("audit", sa.Column("detail", sa.String(200), server_default="", nullable=False))
    op.add_column("audit", sa.Column("job", ID, nullable=True))
    op.execute("UPDATE audit SET job = subject WHERE act LIKE 'redrive\\_%' ESCAPE '\\'")
    # A delivery was sent again in the transaction of its audit entry, at the same time.
    op.execute(
        "UPDATE audit SET job = (SELECT min(item.redrive_id) FROM redrive_item AS item"
        " WHERE item.delivery_id = audit.subject AND item.sent_at = audit.at) WHERE act = 'redriven'"
    )
    op.create_index(
        "ix_redrive_item_under_way",
        "redrive_item",
        ["outcome", "delivery_id"],
        sqlite_where=UNDER_WAY,
        postgresql_where=UNDER_WAY,
    )
    op.create_index("ix_audit_job", "audit", ["job", "pos"], sqlite_where=JOB, postgresql_where=JOB)


def downgrade() -> None:
    op.execute("UPDATE redrive_item SET outcome = 'failed' WHERE outcome = 'failed_later'")
    op.drop_index("ix_redrive_item_under_way", table_name="redrive_item")
    op.drop_index("ix_audit_job", table_name="audit")
    with op.batch_alter_table("audit") as batch:
        batch.drop_column("job")
        batch.drop_column("detail")
    with op.batch_alter_table("line") as batch:
        batch.drop_column("known_since")
