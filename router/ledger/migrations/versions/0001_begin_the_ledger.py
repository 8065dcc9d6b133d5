"""Begin the ledger: the tables of the first version."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID = sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql")
CODE = sa.String(100).with_variant(sa.String(100, collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DUE = sa.text("next_due_at IS NOT NULL")
ANSWER = sa.text("due_at IS NOT NULL")
ASKS = sa.text("ask_at IS NOT NULL")
PAUSED = sa.text("paused_at IS NOT NULL")
MUTED = sa.text("muted_until IS NOT NULL")
WATCHED = sa.text("outcome = 'watched'")


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("token_key", sa.String(length=16), nullable=False),
        sa.Column("pattern", sa.String(length=110), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("changed_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_account"),
        sa.UniqueConstraint("token_key", name="uq_account_token_key"),
    )
    op.create_index("ix_account_pattern", "account", ["pattern"])
    op.create_table(
        "dispatch",
        sa.Column("id", ID, nullable=False),
        sa.Column("issuer", CODE, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("notation", sa.String(length=200), nullable=False),
        sa.Column("subject", sa.String(length=500), nullable=False),
        sa.Column("search", sa.Text(), nullable=False),
        sa.Column("urgency", sa.SmallInteger(), nullable=False),
        sa.Column("lane", sa.String(length=8), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("accepted_at", sa.BigInteger(), nullable=False),
        sa.Column("idempotency_key", sa.String(length=200), nullable=False),
        sa.Column("submission_sha256", sa.String(length=64), nullable=False),
        sa.Column("submission", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("content_sha256", sa.String(length=64), nullable=False),
        sa.Column("traceparent", sa.String(length=55), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dispatch"),
        sa.UniqueConstraint("issuer", "idempotency_key", name="uq_dispatch_issuer_idempotency_key"),
    )
    op.create_index("ix_dispatch_accepted_at_id", "dispatch", ["accepted_at", "id"])
    op.create_index("ix_dispatch_issuer_accepted_at_id", "dispatch", ["issuer", "accepted_at", "id"])
    op.create_table(
        "unit",
        sa.Column("code", CODE, nullable=False),
        sa.Column("parent", CODE, nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("name_folded", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("link", sa.String(length=16), nullable=False),
        sa.Column("note", sa.String(length=500), server_default="", nullable=False),
        sa.Column("opening", sa.String(length=200), server_default="", nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("successor", CODE, nullable=True),
        sa.Column("changed_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("paused_at", sa.BigInteger(), nullable=True),
        sa.Column("paused_by", sa.String(length=120), nullable=True),
        sa.Column("paused_why", sa.String(length=500), nullable=True),
        sa.Column("muted_until", sa.BigInteger(), nullable=True),
        sa.Column("muted_by", sa.String(length=120), nullable=True),
        sa.Column("muted_why", sa.String(length=500), nullable=True),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=True),
        sa.Column("spool_id", ID, nullable=True),
        sa.Column("gateway_version", sa.String(length=50), nullable=True),
        sa.PrimaryKeyConstraint("code", name="pk_unit"),
    )
    op.create_index("ix_unit_parent", "unit", ["parent"])
    op.create_index("ix_unit_spool_id", "unit", ["spool_id"])
    _create_lines()
    op.create_index("ix_unit_paused", "unit", ["code"], sqlite_where=PAUSED, postgresql_where=PAUSED)
    op.create_index("ix_unit_muted", "unit", ["muted_until"], sqlite_where=MUTED, postgresql_where=MUTED)
    op.create_table(
        "unit_sequence",
        sa.Column("unit", CODE, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("unit", name="pk_unit_sequence"),
    )
    op.create_table(
        "delivery",
        sa.Column("id", ID, nullable=False),
        sa.Column("dispatch_id", ID, nullable=False),
        sa.Column("unit", CODE, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("link", sa.String(length=16), nullable=False),
        sa.Column("urgency", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("state_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=1000), server_default="", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("next_due_at", sa.BigInteger(), nullable=True),
        sa.Column("published", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("claimed", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("recalled_by", ID, nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("arrived_at", sa.BigInteger(), nullable=True),
        sa.Column("registered_at", sa.BigInteger(), nullable=True),
        sa.Column("completed_at", sa.BigInteger(), nullable=True),
        sa.Column("bytes_held", sa.BigInteger(), nullable=True),
        sa.Column("bytes_total", sa.BigInteger(), nullable=True),
        sa.Column("held_at", sa.BigInteger(), nullable=True),
        sa.Column("paused", sa.SmallInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["dispatch_id"], ["dispatch.id"], name="fk_delivery_dispatch_id_dispatch"),
        sa.PrimaryKeyConstraint("id", name="pk_delivery"),
        sa.UniqueConstraint("dispatch_id", "unit", name="uq_delivery_dispatch_id_unit"),
        sa.UniqueConstraint("unit", "seq", name="uq_delivery_unit_seq"),
    )
    op.create_index(
        "ix_delivery_outbox", "delivery", ["urgency", "next_due_at"], sqlite_where=DUE, postgresql_where=DUE
    )
    op.create_index("ix_delivery_state_unit", "delivery", ["state", "unit"])
    op.create_index("ix_delivery_created_at", "delivery", ["created_at"])
    op.create_index("ix_delivery_due", "delivery", ["due_at", "state"], sqlite_where=ANSWER, postgresql_where=ANSWER)
    op.create_table(
        "unit_receipts",
        sa.Column("unit", CODE, nullable=False),
        sa.Column("spool_id", sa.String(length=36), nullable=False),
        sa.Column("through", sa.BigInteger(), nullable=False),
        sa.Column("ahead", sa.Text(), nullable=False),
        sa.Column("told", sa.BigInteger(), nullable=False),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.Column("ask_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("unit", name="pk_unit_receipts"),
    )
    op.create_index("ix_unit_receipts_ask_at", "unit_receipts", ["ask_at"], sqlite_where=ASKS, postgresql_where=ASKS)
    op.create_table(
        "dispatch_attachment",
        sa.Column("dispatch_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("media_type", sa.String(length=150), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("zstd_size", sa.BigInteger(), nullable=True),
        sa.Column("dcz_size", sa.BigInteger(), nullable=True),
        sa.Column("dictionary", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["dispatch_id"], ["dispatch.id"], name="fk_dispatch_attachment_dispatch_id_dispatch"),
        sa.PrimaryKeyConstraint("dispatch_id", "position", name="pk_dispatch_attachment"),
    )
    op.create_index("ix_dispatch_attachment_sha256", "dispatch_attachment", ["sha256"])
    op.create_table(
        "dispatch_reference",
        sa.Column("dispatch_id", ID, nullable=False),
        sa.Column("refers_to", ID, nullable=False),
        sa.ForeignKeyConstraint(["dispatch_id"], ["dispatch.id"], name="fk_dispatch_reference_dispatch_id_dispatch"),
        sa.PrimaryKeyConstraint("dispatch_id", "refers_to", name="pk_dispatch_reference"),
    )
    op.create_index("ix_dispatch_reference_refers_to", "dispatch_reference", ["refers_to"])
    op.create_table(
        "unit_code",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("unit", CODE, nullable=False),
        sa.Column("scheme", sa.String(length=200), nullable=False),
        sa.Column("code", sa.String(length=200), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["unit"], ["unit.code"], name="fk_unit_code_unit_unit", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_unit_code"),
    )
    op.create_index("ix_unit_code_scheme_code", "unit_code", ["scheme", "code"])
    op.create_index("ix_unit_code_unit", "unit_code", ["unit"])
    op.create_table(
        "attempt",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("delivery_id", ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.String(length=500), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name="fk_attempt_delivery_id_delivery"),
        sa.PrimaryKeyConstraint("id", name="pk_attempt"),
    )
    op.create_index("ix_attempt_delivery_id", "attempt", ["delivery_id"])
    op.create_table(
        "receipt",
        sa.Column("pos", SERIAL, autoincrement=True, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("delivery_id", ID, nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("effect", sa.String(length=8), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("content_sha256", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.String(length=1200), server_default="", nullable=False),
        sa.Column("person", sa.String(length=200), server_default="", nullable=False),
        sa.Column("department", sa.String(length=200), server_default="", nullable=False),
        sa.Column("register_number", sa.String(length=50), server_default="", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("gateway_version", sa.String(length=50), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name="fk_receipt_delivery_id_delivery"),
        sa.PrimaryKeyConstraint("pos", name="pk_receipt"),
        sa.UniqueConstraint("id", name="uq_receipt_id"),
    )
    op.create_index("ix_receipt_delivery_id", "receipt", ["delivery_id"])
    _create_people()
    _create_redrives()


def _create_lines() -> None:
    op.create_table(
        "line",
        sa.Column("unit", CODE, nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("heard_at", sa.BigInteger(), nullable=False),
        sa.Column("reported_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("every_ms", sa.BigInteger(), nullable=False),
        sa.Column("silent_at", sa.BigInteger(), nullable=True),
        sa.Column("rate_down", sa.BigInteger(), nullable=True),
        sa.Column("rate_up", sa.BigInteger(), nullable=True),
        sa.Column("clock_skew_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["unit"], ["unit.code"], name="fk_line_unit_unit", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("unit", name="pk_line"),
    )
    listening = sa.text("silent_at IS NOT NULL")
    op.create_index("ix_line_state_unit", "line", ["state", "unit"])
    op.create_index("ix_line_silent_at", "line", ["silent_at"], sqlite_where=listening, postgresql_where=listening)
    op.create_table(
        "outage",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("unit", CODE, nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("told_by", sa.String(length=8), nullable=False),
        sa.Column("gateway_began_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_outage"),
    )
    op.create_index("ix_outage_unit_ended_at", "outage", ["unit", "ended_at"])
    op.create_index("ix_outage_ended_at", "outage", ["ended_at"])


def _create_people() -> None:
    op.create_table(
        "person",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=True),
        sa.Column("invite_hash", sa.String(length=64), nullable=True),
        sa.Column("invite_expires_at", sa.BigInteger(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("locked_until", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("identity", sa.String(length=600), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_person"),
        sa.UniqueConstraint("invite_hash", name="uq_person_invite_hash"),
        sa.UniqueConstraint("email", name="uq_person_email"),
        sa.UniqueConstraint("identity", name="uq_person_identity"),
    )
    op.create_table(
        "person_role",
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("pattern", sa.String(length=110), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.name"], name="fk_person_role_person_person"),
        sa.PrimaryKeyConstraint("person", "role", "pattern", name="pk_person_role"),
    )
    op.create_table(
        "web_session",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.name"], name="fk_web_session_person_person"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_web_session"),
    )
    op.create_index("ix_web_session_person", "web_session", ["person"])
    op.create_table(
        "audit",
        sa.Column("pos", SERIAL, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("act", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("unit", CODE, nullable=False),
        sa.Column("reason", sa.String(length=1000), server_default="", nullable=False),
        sa.Column("address", sa.String(length=64), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("pos", name="pk_audit"),
    )
    op.create_index("ix_audit_unit", "audit", ["unit"])


def _create_redrives() -> None:
    op.create_table(
        "redrive",
        sa.Column("id", ID, nullable=False),
        sa.Column("maker_kind", sa.String(length=8), nullable=False),
        sa.Column("maker", sa.String(length=120), nullable=False),
        sa.Column("token", sa.String(length=200), nullable=False),
        sa.Column("address", sa.String(length=64), server_default="", nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("filter", sa.String(length=1000), nullable=False),
        sa.Column("cut_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("pace", sa.String(length=8), nullable=False),
        sa.Column("per_minute", sa.Integer(), nullable=True),
        sa.Column("watch_ms", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("state_at", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.String(length=1000), server_default="", nullable=False),
        sa.Column("allowed", sa.Integer(), nullable=False),
        sa.Column("send_at", sa.BigInteger(), nullable=False),
        sa.Column("by_kind", sa.String(length=8), nullable=False),
        sa.Column("by", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_redrive"),
        sa.UniqueConstraint("maker_kind", "maker", "token", name="uq_redrive_maker_kind_maker_token"),
    )
    op.create_index("ix_redrive_state", "redrive", ["state"])
    op.create_table(
        "redrive_item",
        sa.Column("redrive_id", ID, nullable=False),
        sa.Column("delivery_id", ID, nullable=False),
        sa.Column("unit", CODE, nullable=False),
        sa.Column("outcome", sa.String(length=12), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.String(length=1000), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["redrive_id"], ["redrive.id"], name="fk_redrive_item_redrive_id_redrive"),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name="fk_redrive_item_delivery_id_delivery"),
        sa.PrimaryKeyConstraint("redrive_id", "delivery_id", name="pk_redrive_item"),
    )
    ordered, counted = ["redrive_id", "outcome", "delivery_id"], ["redrive_id", "unit", "outcome"]
    op.create_index("ix_redrive_item_redrive_id_outcome_delivery_id", "redrive_item", ordered)
    op.create_index("ix_redrive_item_redrive_id_unit_outcome", "redrive_item", counted)
    op.create_index(
        "ix_redrive_item_watched",
        "redrive_item",
        ["outcome", "redrive_id"],
        sqlite_where=WATCHED,
        postgresql_where=WATCHED,
    )


def downgrade() -> None:
    for table in (
        "outage",
        "line",
        "redrive_item",
        "redrive",
        "audit",
        "web_session",
        "person_role",
        "person",
        "receipt",
        "attempt",
        "unit_code",
        "unit_receipts",
        "dispatch_reference",
        "dispatch_attachment",
        "delivery",
        "unit_sequence",
        "unit",
        "dispatch",
        "account",
    ):
        op.drop_table(table)
