"""Keep which receipt another one corrects or undoes, and which step gave and ended each task."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("receipt", sa.Column("corrects", sa.String()))
    op.add_column("receipt", sa.Column("undoes", sa.String()))
    op.add_column("step", sa.Column("undone", sa.Boolean(), nullable=False, server_default="0"))
    for done, at in ("given_by", "since"), ("ended_by", "ended_at"):
        op.add_column("task", sa.Column(done, sa.Integer()))
        step = f"SELECT max(step.pos) FROM step WHERE step.inbox_pos = task.inbox_pos AND step.at = task.{at}"  # noqa: S608
        op.execute(f"UPDATE task SET {done} = ({step})")  # noqa: S608
    until = "SELECT max(task.until) FROM task WHERE task.given_by = step.pos"
    named = f"step.kind = 'directed' AND ({until}) IS NOT NULL"
    op.execute(f"UPDATE step SET detail = json_set(detail, '$.until_ms', ({until})) WHERE {named}")  # noqa: S608


def downgrade() -> None:
    op.drop_column("task", "ended_by")
    op.drop_column("task", "given_by")
    op.drop_column("step", "undone")
    op.drop_column("receipt", "undoes")
    op.drop_column("receipt", "corrects")
