"""Let the desk find, count and refer: state secrets apart, what letters refer to, indexes for every page."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

from schemas.clock import to_ms

revision = "0008"
down_revision = "0007"
_INDEXES = {
    "ix_letter_issuer": ("letter", ["issuer"], None),
    "ix_letter_type": ("letter", ["type"], None),
    "ix_letter_due": ("letter", ["due"], "due IS NOT NULL"),
    "ix_letter_folded": ("letter", ["folded"], None),
    "ix_letter_reference_dispatch_id": ("letter_reference", ["dispatch_id"], None),
    "ix_past_taken": ("past", ["unit", "taken_at"], None),
    "ix_inbox_desk": ("inbox", ["unit", "state", "secret", "urgency"], None),
    "ix_inbox_taken": ("inbox", ["unit", "taken_at"], None),
    "ix_book_entry_notation": ("book_entry", ["notation"], "state = 'entered'"),
    "ix_step_kind": ("step", ["kind", "at"], None),
    "ix_task_part": ("task", ["person", "part"], None),
}
_TYPES = "UPDATE letter SET type = coalesce(json_extract(CAST(body AS TEXT), '$.type'), 'công văn')"
_REFERENCES = """
    INSERT OR IGNORE INTO letter_reference SELECT pos, value FROM letter, json_each(CAST(body AS TEXT), '$.refers_to')
"""
_SECRETS = """
    UPDATE inbox SET secret = 1 WHERE letter_pos IN
    (SELECT pos FROM letter WHERE coalesce(json_extract(CAST(body AS TEXT), '$.secrecy'), 'none') <> 'none')
"""
_REGISTERED = """
    UPDATE inbox SET registered_at = (
        SELECT min(CAST(strftime('%s', at) AS INTEGER)) * 1000 FROM receipt
        WHERE inbox_pos = inbox.pos AND status = 'registered'
    )
"""
_NOTATIONS = """
    UPDATE book_entry SET notation = coalesce((
        SELECT json_extract(fields, '$.notation') FROM book_version
        WHERE entry_pos = pos AND book_version.version = book_entry.version AND fields <> ''
    ), '')
"""
_DUES = "SELECT pos, json_extract(CAST(body AS TEXT), '$.due') AS due FROM letter"


def upgrade() -> None:
    op.add_column("letter", sa.Column("type", sa.String(), server_default="", nullable=False))
    op.add_column("letter", sa.Column("due", sa.Integer(), nullable=True))
    op.add_column("inbox", sa.Column("secret", sa.Boolean(), server_default="0", nullable=False))
    op.add_column("inbox", sa.Column("registered_at", sa.Integer(), nullable=True))
    op.add_column("book_entry", sa.Column("notation", sa.String(), server_default="", nullable=False))
    op.add_column("journal", sa.Column("secret", sa.Boolean(), server_default="0", nullable=False))
    op.create_table(
        "letter_reference",
        sa.Column("letter_pos", sa.Integer(), nullable=False),
        sa.Column("dispatch_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("letter_pos", "dispatch_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "past",
        sa.Column("delivery_id", sa.String(), primary_key=True),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("secret", sa.Boolean(), nullable=False),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("urgency", sa.Integer(), nullable=False),
        sa.Column("taken_at", sa.Integer(), nullable=False),
        sa.Column("registered_at", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("state_at", sa.Integer(), nullable=False),
        sa.Column("lead", sa.Text(), nullable=False),
        sa.Column("directed_at", sa.Integer(), nullable=True),
        sa.Column("until", sa.Integer(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sqlite_with_rowid=False,
    )
    for statement in (_TYPES, _REFERENCES, _SECRETS, _REGISTERED, _NOTATIONS):
        op.execute(statement)
    _fill_due()
    for name, (table, columns, where) in _INDEXES.items():
        op.create_index(name, table, columns, sqlite_where=where and sa.text(where))


def _fill_due() -> None:
    conn = op.get_bind()
    rows = conn.execute(sa.text(_DUES)).all()
    dues = [{"at": row.pos, "due": to_ms(datetime.fromisoformat(row.due))} for row in rows if row.due]
    if dues:
        conn.execute(sa.text("UPDATE letter SET due = :due WHERE pos = :at"), dues)


def downgrade() -> None:
    for name, (table, _, _) in _INDEXES.items():
        op.drop_index(name, table)
    op.drop_table("letter_reference")
    op.drop_table("past")
    for table, column in (
        ("journal", "secret"),
        ("book_entry", "notation"),
        ("inbox", "registered_at"),
        ("inbox", "secret"),
        ("letter", "due"),
        ("letter", "type"),
    ):
        op.drop_column(table, column)
