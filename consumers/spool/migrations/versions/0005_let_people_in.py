"""Keep the desk's people, how documents are dealt with, and who did what."""

import sqlalchemy as sa
from alembic import op

from schemas.text import fold

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    _fold_letters()
    op.add_column("unit", sa.Column("name", sa.Text(), server_default="", nullable=False))
    op.create_table(
        "unit_name",
        sa.Column("code", sa.String(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "person",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("password_hash", sa.String(200), nullable=True),
        sa.Column("invite_hash", sa.String(64), nullable=True, unique=True),
        sa.Column("invite_expires_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("full_name", sa.Text(), server_default="", nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("department", sa.Text(), server_default="", nullable=False),
    )
    op.create_table(
        "person_role",
        sa.Column("person", sa.String(64), sa.ForeignKey("person.name"), primary_key=True),
        sa.Column("role", sa.String(16), primary_key=True),
        sa.Column("pattern", sa.String(110), primary_key=True),
    )
    op.create_table(
        "login_attempt",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("locked_until", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_login_attempt_at", "login_attempt", ["at"])
    op.create_table(
        "person_device",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("person", sa.String(64), sa.ForeignKey("person.name"), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_person_device_person", "person_device", ["person"])
    op.create_table(
        "web_session",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("person", sa.String(64), sa.ForeignKey("person.name"), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.String(64), server_default="", nullable=False),
    )
    op.create_index("ix_web_session_person", "web_session", ["person"])
    op.create_table(
        "step",
        sa.Column("pos", sa.Integer(), primary_key=True),
        sa.Column("inbox_pos", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("at", sa.Integer(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
    )
    op.create_index("ix_step_inbox_pos", "step", ["inbox_pos"])
    op.create_table(
        "task",
        sa.Column("pos", sa.Integer(), primary_key=True),
        sa.Column("inbox_pos", sa.Integer(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("part", sa.String(), nullable=False),
        sa.Column("since", sa.Integer(), nullable=False),
        sa.Column("until", sa.Integer(), nullable=True),
        sa.Column("ended_at", sa.Integer(), nullable=True),
    )
    op.create_index("ix_task_inbox_pos", "task", ["inbox_pos"])
    op.create_index("ix_task_open", "task", ["person", "until"], sqlite_where=sa.text("ended_at IS NULL"))
    op.create_table(
        "journal",
        sa.Column("pos", sa.Integer(), primary_key=True),
        sa.Column("at", sa.Integer(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("act", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("address", sa.String(), server_default="", nullable=False),
    )
    op.create_index("ix_journal_unit", "journal", ["unit", "pos"])


def _fold_letters() -> None:
    op.add_column("letter", sa.Column("folded", sa.String(), server_default="", nullable=False))
    letter = sa.table("letter", *(sa.column(name) for name in ("pos", "issuer", "notation", "subject", "folded")))
    conn = op.get_bind()
    rows = conn.execute(sa.select(letter.c.pos, letter.c.issuer, letter.c.notation, letter.c.subject)).all()
    change = letter.update().where(letter.c.pos == sa.bindparam("at")).values(folded=sa.bindparam("words"))
    if rows:
        conn.execute(change, [{"at": row.pos, "words": fold(f"{row[1]} {row[2]} {row[3]}")} for row in rows])


def downgrade() -> None:
    for table in (
        *(
            "unit_name",
            "journal",
            "task",
            "step",
            "web_session",
            "person_device",
            "login_attempt",
            "person_role",
            "person",
        ),
    ):
        op.drop_table(table)
    op.drop_column("letter", "folded")
    op.drop_column("unit", "name")
