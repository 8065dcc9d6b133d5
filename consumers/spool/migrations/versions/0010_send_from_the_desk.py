"""Keep drafts, what the desk knows of a letter it sent, how a unit writes its letters, and what the router is asked."""

import sqlalchemy as sa
from alembic import op

from schemas.text import fold

revision = "0010"
down_revision = "0009"
_SECRETS = """
    UPDATE outgoing SET secret = 1 WHERE CASE WHEN json_valid(CAST(body AS TEXT))
    THEN coalesce(json_extract(CAST(body AS TEXT), '$.secrecy'), 'none') <> 'none' END
"""


def upgrade() -> None:
    _fold_outgoing()
    op.add_column("outgoing", sa.Column("secret", sa.Boolean(), server_default="0", nullable=False))
    op.execute(_SECRETS)
    op.create_index("ix_outgoing_desk", "outgoing", ["issuer", "state", "secret"])
    op.create_index("ix_outgoing_folded", "outgoing", ["folded"])
    op.create_index("ix_outgoing_file_sha256", "outgoing_file", ["sha256"])
    op.create_table(
        "desk_letter",
        sa.Column("outgoing_pos", sa.Integer(), primary_key=True),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("entry_pos", sa.Integer(), nullable=True),
        sa.Column("recalls", sa.String(), nullable=True),
        sa.Column("answers", sa.String(), nullable=True),
        sa.Column("completes", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("mended_as", sa.String(), nullable=True),
    )
    op.create_index("ix_desk_letter_entry_pos", "desk_letter", ["entry_pos"])
    op.create_index("ix_desk_letter_recalls", "desk_letter", ["recalls"])
    op.create_table(
        "draft",
        sa.Column("pos", sa.Integer(), primary_key=True),
        sa.Column("id", sa.String(), nullable=False, unique=True),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.Integer(), nullable=False),
        sa.Column("notation", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("folded", sa.String(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("mends", sa.String(), server_default="", nullable=False),
        sa.Column("secret", sa.Boolean(), server_default="0", nullable=False),
    )
    op.create_index("ix_draft_unit", "draft", ["unit", "changed_at"])
    op.create_table(
        "draft_file",
        sa.Column("draft_pos", sa.Integer(), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_draft_file_sha256", "draft_file", ["sha256"])
    op.create_table(
        "letter_form",
        sa.Column("unit", sa.String(), primary_key=True),
        sa.Column("notation", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), server_default="", nullable=False),
        sa.Column("keeper", sa.Text(), server_default="", nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "question",
        sa.Column("pos", sa.Integer(), primary_key=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("wanted_at", sa.Integer(), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("answered_at", sa.Integer(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("etag", sa.String(), server_default="", nullable=False),
        sa.Column("problem", sa.Text(), server_default="", nullable=False),
        sa.UniqueConstraint("kind", "subject"),
    )
    op.create_index("ix_question_open", "question", ["wanted_at"], sqlite_where=sa.text("open"))


def _fold_outgoing() -> None:
    op.add_column("outgoing", sa.Column("folded", sa.String(), server_default="", nullable=False))
    table = sa.table("outgoing", *(sa.column(name) for name in ("pos", "issuer", "notation", "subject", "folded")))
    conn = op.get_bind()
    rows = conn.execute(sa.select(table.c.pos, table.c.issuer, table.c.notation, table.c.subject)).all()
    change = table.update().where(table.c.pos == sa.bindparam("at")).values(folded=sa.bindparam("words"))
    if rows:
        conn.execute(change, [{"at": row.pos, "words": fold(f"{row[1]} {row[2]} {row[3]}")} for row in rows])


def downgrade() -> None:
    for table in ("question", "letter_form", "draft_file", "draft", "desk_letter"):
        op.drop_table(table)
    op.drop_index("ix_outgoing_file_sha256", "outgoing_file")
    op.drop_index("ix_outgoing_folded", "outgoing")
    op.drop_index("ix_outgoing_desk", "outgoing")
    op.drop_column("outgoing", "secret")
    op.drop_column("outgoing", "folded")
