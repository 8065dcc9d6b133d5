"""Begin the spool: the tables of the first version."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "content_use",
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("inbox_pos", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", "inbox_pos"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_content_use_inbox_pos", "content_use", ["inbox_pos"])
    op.create_table(
        "gap",
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("ask_at", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("unit", "seq"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "inbox",
        sa.Column("pos", sa.Integer(), nullable=False),
        sa.Column("delivery_id", sa.String(), nullable=False),
        sa.Column("letter_pos", sa.Integer(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("urgency", sa.Integer(), nullable=False),
        sa.Column("taken_at", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("state_at", sa.Integer(), nullable=False),
        sa.Column("stub", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("retry_at", sa.Integer(), server_default="0", nullable=False),
        sa.Column("postponed_at", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fetch_bytes", sa.Integer(), nullable=False),
        sa.Column("handed", sa.Boolean(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("pos"),
        sa.UniqueConstraint("delivery_id"),
    )
    op.create_index("ix_inbox_letter", "inbox", ["letter_pos"])
    op.create_index("ix_inbox_parked", "inbox", ["state_at"], sqlite_where=sa.text("state = 'parked'"))
    op.create_index(
        "ix_inbox_waiting", "inbox", ["urgency", "fetch_bytes", "retry_at"], sqlite_where=sa.text("state = 'taken'")
    )
    op.create_table(
        "letter",
        sa.Column("pos", sa.Integer(), nullable=False),
        sa.Column("dispatch_id", sa.String(), nullable=False),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("notation", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("urgency", sa.Integer(), nullable=False),
        sa.Column("traceparent", sa.String(), nullable=False),
        sa.Column("content_sha256", sa.String(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("pos"),
        sa.UniqueConstraint("dispatch_id"),
    )
    op.create_table(
        "meta",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "outage",
        sa.Column("pos", sa.Integer(), nullable=False),
        sa.Column("down_at", sa.Integer(), nullable=False),
        sa.Column("up_at", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("pos"),
    )
    op.create_table(
        "outgoing",
        sa.Column("pos", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("issuer", sa.String(), server_default="", nullable=False),
        sa.Column("notation", sa.String(), server_default="", nullable=False),
        sa.Column("subject", sa.String(), server_default="", nullable=False),
        sa.Column("urgency", sa.Integer(), server_default="0", nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("taken_at", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("state_at", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("retry_at", sa.Integer(), server_default="0", nullable=False),
        sa.Column("size", sa.Integer(), server_default="0", nullable=False),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("dispatch_id", sa.String(), nullable=True),
        sa.Column("addressees", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("pos"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("ix_outgoing_waiting", "outgoing", ["urgency", "size"], sqlite_where=sa.text("state = 'waiting'"))
    op.create_index("ix_outgoing_ended", "outgoing", ["state_at"], sqlite_where=sa.text("state <> 'waiting'"))
    op.create_table(
        "outgoing_file",
        sa.Column("outgoing_pos", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("file_name", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("outgoing_pos", "position"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "recall",
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("dispatch_id", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("unit", "dispatch_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "receipt",
        sa.Column("pos", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("inbox_pos", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("express", sa.Boolean(), nullable=False),
        sa.Column("gateway_version", sa.String(), nullable=False),
        sa.Column("sent_at", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=True),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("department", sa.Text(), nullable=True),
        sa.Column("register_number", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("pos"),
    )
    op.create_index("ix_receipt_inbox", "receipt", ["inbox_pos"])
    op.create_index("ix_receipt_unsent", "receipt", ["express", "pos"], sqlite_where=sa.text("sent_at IS NULL"))
    op.create_table(
        "unit",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("hosted", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("receipt_seq", sa.Integer(), server_default="0", nullable=False),
        sa.Column("highest_seq", sa.Integer(), server_default="0", nullable=False),
        sa.Column("opening", sa.String(), server_default="", nullable=False),
        sa.Column("timezone", sa.String(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("code"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for table in (
        "outage",
        "gap",
        "content_use",
        "outgoing_file",
        "outgoing",
        "receipt",
        "recall",
        "inbox",
        "letter",
        "unit",
        "meta",
    ):
        op.drop_table(table)
