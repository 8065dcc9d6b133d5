"""How people at the desk deal with documents, what they write and what they ask; who they are."""

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint, text

from consumers.spool.models._base import metadata
from router.mail.tables import mail_tables
from router.pages.people import people_tables

people = people_tables(
    metadata,
    Column("full_name", Text, nullable=False, server_default=""),  # as receipts and registers have it
    Column("title", Text, nullable=False, server_default=""),
    Column("department", Text, nullable=False, server_default=""),
)
"""Who uses the desk: see :mod:`consumers.spool.people`."""

mail = mail_tables(metadata)
"""What its people are told by e-mail: see :mod:`router.mail`."""

step = Table(
    "step",
    metadata,
    Column("pos", Integer, primary_key=True),
    Column("inbox_pos", Integer, nullable=False, index=True),
    Column("kind", String, nullable=False),  # consumers.spool.handling.StepKind
    Column("at", Integer, nullable=False),
    Column("person", String, nullable=False),  # the login
    Column("full_name", Text, nullable=False),  # as it was then
    Column("detail", Text, nullable=False),  # consumers.spool.handling.StepDetail as JSON
    Column("undone", Boolean, nullable=False, server_default="0"),  # a later step took it back
    Index("ix_step_kind", "kind", "at"),
)
"""How a document is dealt with, step by step; what the router learns of it are its receipts."""

task = Table(
    "task",
    metadata,
    Column("pos", Integer, primary_key=True),
    Column("inbox_pos", Integer, nullable=False, index=True),
    Column("person", String, nullable=False),
    Column("part", String, nullable=False),  # consumers.spool.handling.TaskPart
    Column("since", Integer, nullable=False),
    Column("until", Integer),  # by when; NULL: no day was set
    Column("ended_at", Integer),
    Column("given_by", Integer),  # the step that gave it
    Column("ended_by", Integer),  # the step that ended it; NULL: it is open, or no step did
    Index("ix_task_open", "person", "until", sqlite_where=text("ended_at IS NULL")),
    Index("ix_task_part", "person", "part"),
)
"""Who has to do something about a document; the open ones are those of now."""

journal = Table(
    "journal",
    metadata,
    Column("pos", Integer, primary_key=True),
    Column("at", Integer, nullable=False),
    Column("person", String, nullable=False),  # the login, or who ran a command
    Column("act", String, nullable=False),  # consumers.spool.journal.JournalAct
    Column("unit", String, nullable=False),  # empty: no unit in particular
    Column("subject", Text, nullable=False),  # what was acted on: a notation, a number of a book, a login
    Column("detail", Text, nullable=False, server_default=""),
    Column("address", String, nullable=False, server_default=""),
    Column("secret", Boolean, nullable=False, server_default="0"),  # shown to those who may see state secrets
    Index("ix_journal_unit", "unit", "pos"),
)
"""Who did what and when; rows are added and never changed."""

desk_letter = Table(
    "desk_letter",
    metadata,
    Column("outgoing_pos", Integer, primary_key=True),
    Column("person", String, nullable=False),  # the login
    Column("full_name", Text, nullable=False),  # as it was then
    Column("department", Text, nullable=False),
    Column("entry_pos", Integer, index=True),  # its number in the outgoing book; NULL: it has none
    Column("recalls", String, index=True),  # the dispatch that it calls back
    Column("answers", String),  # the delivery that it answers
    Column("completes", Boolean, nullable=False, server_default="0"),  # and that is done when it is accepted
    Column("mended_as", String),  # the id of the draft that puts it right
)
"""What the desk knows of a document that was sent there; its files lie among the contents, not in a folder."""

draft = Table(
    "draft",
    metadata,
    Column("pos", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),  # of the outgoing document that it becomes
    Column("unit", String, nullable=False),
    Column("version", Integer, nullable=False),  # grows with each change
    Column("person", String, nullable=False),  # who wrote it last
    Column("full_name", Text, nullable=False),
    Column("changed_at", Integer, nullable=False),
    Column("notation", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("folded", String, nullable=False),  # notation, subject: schemas.text.fold
    Column("fields", Text, nullable=False),  # all that was typed: consumers.desk.typed as JSON
    Column("mends", String, nullable=False, server_default=""),  # the id of the rejected one that it puts right
    Column("secret", Boolean, nullable=False, server_default="0"),  # it is to be a state secret
    Index("ix_draft_unit", "unit", "changed_at"),
)
"""Documents that are being written at the desk."""

draft_file = Table(
    "draft_file",
    metadata,
    Column("draft_pos", Integer, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("media_type", String, nullable=False),
    Column("sha256", String, nullable=False, index=True),  # it lies among the contents
    Column("size", Integer, nullable=False),
    sqlite_with_rowid=False,
)

letter_form = Table(
    "letter_form",
    metadata,
    Column("unit", String, primary_key=True),
    Column("notation", Text, nullable=False),  # as {number}/UBND-VP
    Column("place", Text, nullable=False, server_default=""),
    Column("keeper", Text, nullable=False, server_default=""),
    sqlite_with_rowid=False,
)
"""How a unit writes its letters: the pattern of its notation, its place, who keeps the copy."""

question = Table(
    "question",
    metadata,
    Column("pos", Integer, primary_key=True),
    Column("kind", String, nullable=False),  # consumers.spool.questions.QuestionKind
    Column("subject", String, nullable=False),
    Column("body", LargeBinary, nullable=False),  # what is asked with; empty: the subject says it all
    Column("wanted_at", Integer, nullable=False),  # when somebody last waited for an answer or looked at it
    Column("open", Boolean, nullable=False),  # the router is to be asked
    Column("answered_at", Integer),
    Column("answer", LargeBinary, nullable=False),  # JSON, packed by zlib
    Column("etag", String, nullable=False, server_default=""),
    Column("problem", Text, nullable=False, server_default=""),  # why the router gives none, in its words
    UniqueConstraint("kind", "subject"),
    Index("ix_question_open", "wanted_at", sqlite_where=text("open")),
)
"""What people at the desk ask of the router, and its answers: kept for a while, and shown while the line is down."""
