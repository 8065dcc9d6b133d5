"""Give every reason that a machine told its code, those of before codes too."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

MARKS = {
    "sink_disk_full": ("disk is full", "no space left", "disk took no more", "http 507", "disk quota"),
    "sink_unwritable": ("permission denied", "read-only file system", "cannot be written", "cannot be read"),
    "sink_login": ("http 401", "http 403"),
    "sink_address": ("redirects are not followed",),
    "sink_timeout": ("did not answer within", "did not end within"),
    "sink_unreachable": ("cannot be reached", "http 502", "http 503", "http 504"),
    "content_wrong": ("is longer than the", "is not the full descriptor", "other bytes"),
    "content_gone": ("http 404", "http 410"),
    "too_large": ("http 413", "max_document_bytes", "larger than"),
    "gateway_fault": ("an error of its own", "in a way it should not"),
    "sink_refused": ("http 4",),
    "sink_trouble": ("http 5", "cannot be run", "exit code", "was killed"),
}
"""What stands in the texts of gateways that told no code, as the program reads it at this revision."""
OWN = {
    "expired": ("had not arrived %",),
    "unit_gone": ("% exists no more; %", "% exists no more: %"),
    "recalled": ("recalled by dispatch %",),
    "no_line": ("no_line",),
    "not_believed": ("its gateway says that it arrived, and is not believed: %",),
    "publish_returned": ("returned: %",),
    "publish_nacked": ("nacked: %",),
    "publish_timed_out": ("timed_out: %",),
    "publish_lost": ("lost: %",),
}
"""How the service's own texts look."""


def upgrade() -> None:
    for table, column, state in (("delivery", "reason_code", "state"), ("receipt", "code", "status")):
        row = sa.table(table, *(sa.column(name) for name in (column, state, "reason")))
        told, own = (
            row.c.reason,
            row.c[state].in_(["parked", "expired", "recalled", "take_back_requested", "pending", "queued"]),
        )
        whens: list[tuple[sa.ColumnElement[bool], str]] = [
            (told.like(pattern), code) for code, patterns in OWN.items() for pattern in patterns
        ]
        parked = row.c[state] == "parked"
        whens += [(parked & sa.or_(*(_has(told, mark) for mark in marks)), code) for code, marks in MARKS.items()]
        blank = (row.c[column] == "") & (told != "") & own
        op.execute(sa.update(row).where(blank).values({column: sa.case(*whens, else_="")}))


def _has(text: sa.ColumnElement[str], mark: str) -> sa.ColumnElement[bool]:
    return sa.func.lower(text).contains(mark, autoescape=True)


def downgrade() -> None:
    """Codes of texts that had none are right before, too; those that are new here mean nothing there."""
    for table, column in (("delivery", "reason_code"), ("receipt", "code")):
        row = sa.table(table, sa.column(column))
        op.execute(sa.update(row).where(row.c[column].in_([*OWN, "paused"])).values({column: ""}))
