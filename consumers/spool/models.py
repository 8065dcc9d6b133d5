"""The spool's tables (SQLAlchemy Core on SQLite). Times are UTC milliseconds since 1970, sizes bytes, ids as text.

``inbox`` holds what was taken, one row per delivery, and ``letter`` what its dispatch says; ``receipt`` is what was
said of it, and with ``sent_at`` NULL the outbox. A row of ``content_use`` keeps the content of that hash on the disk.
``outgoing`` is what goes the other way, ``draft`` what is still being written, ``question`` what the router is asked.
``book`` and what belongs to it are the unit's registers. ``step`` and ``task`` are how its people deal with a document,
``journal`` is what they did.
"""

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from router.mail.tables import mail_tables
from router.pages.people import people_tables

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("key", String, primary_key=True),
    Column("value", Text, nullable=False),
)
"""``spool_id``: made with the spool, so that the router learns of a lost one; ``health``: as the router knows it."""

unit = Table(
    "unit",
    metadata,
    Column("code", String, primary_key=True),
    Column("hosted", Boolean, nullable=False, server_default="0"),  # in the router's last list of our units
    Column("receipt_seq", Integer, nullable=False, server_default="0"),  # last one given
    Column("highest_seq", Integer, nullable=False, server_default="0"),  # of deliveries taken
    Column("opening", String, nullable=False, server_default=""),  # its line's hours, as the router listed them
    Column("timezone", String, nullable=False, server_default=""),  # of whose clock they are
    Column("name", Text, nullable=False, server_default=""),  # as the router listed it
    sqlite_with_rowid=False,
)

unit_name = Table(
    "unit_name",
    metadata,
    Column("code", String, primary_key=True),
    Column("name", Text, nullable=False),  # empty: the router knows none
    sqlite_with_rowid=False,
)
"""What units are called that sent something here; the router is asked once for each."""

letter = Table(
    "letter",
    metadata,
    Column("pos", Integer, primary_key=True),
    Column("dispatch_id", String, nullable=False, unique=True),
    Column("issuer", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("notation", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("urgency", Integer, nullable=False),
    Column("traceparent", String, nullable=False),
    Column("content_sha256", String),  # schemas.attachment.content_digest; NULL until the full descriptor is here
    Column("body", LargeBinary, nullable=False),  # the descriptor; the full one once it has been fetched
    Column("folded", String, nullable=False, server_default=""),  # issuer, notation, subject: schemas.text.fold
    Column("type", String, nullable=False, server_default=""),
    Column("due", Integer),  # when its answer has to be there; NULL: it does not say
    Index("ix_letter_issuer", "issuer"),
    Index("ix_letter_type", "type"),
    Index("ix_letter_due", "due", sqlite_where=text("due IS NOT NULL")),
    Index("ix_letter_folded", "folded"),  # searched for words in the midst, as a whole: small beside the bodies
)
"""What is the same for all addressees of a dispatch, once, however many of them are hosted here."""

letter_reference = Table(
    "letter_reference",
    metadata,
    Column("letter_pos", Integer, primary_key=True),
    Column("dispatch_id", String, primary_key=True, index=True),
    sqlite_with_rowid=False,
)
"""What letters answer, recall, update or replace, whether it is here or not."""

inbox = Table(
    "inbox",
    metadata,
    Column("pos", Integer, primary_key=True),
    Column("delivery_id", String, nullable=False, unique=True),
    Column("letter_pos", Integer, nullable=False),
    Column("unit", String, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("urgency", Integer, nullable=False),
    Column("taken_at", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("state_at", Integer, nullable=False),
    Column("stub", Boolean, nullable=False),  # its record is to be fetched before its contents are known
    Column("reason", Text, nullable=False, server_default=""),  # why it waits or was parked; what a person said last
    Column("attempts", Integer, nullable=False, server_default="0"),  # of the sink; line drops are none
    Column("retry_at", Integer, nullable=False, server_default="0"),  # the courier leaves it alone until then
    Column("fetch_bytes", Integer, nullable=False),  # what is to come over the line besides the descriptor
    Column("postponed_at", Integer, nullable=False, server_default="0"),  # when retry_at was set, by the same clock
    Column("handed", Boolean, nullable=False, server_default="0"),  # given to the sink, which may have it
    # When an operator had it sent again, as the router says (UTC ms by its clock); 0: never, or it does not say.
    Column("redriven_at", Integer, nullable=False, server_default="0"),
    Column("reason_code", String, nullable=False, server_default=""),  # see schemas.reasons
    Column("secret", Boolean, nullable=False, server_default="0"),  # its letter is a state secret
    Column("registered_at", Integer),  # NULL: it was not
    # What the courier has to do, in its order; small, because all else leaves it.
    Index("ix_inbox_waiting", "urgency", "fetch_bytes", "retry_at", sqlite_where=text("state = 'taken'")),
    Index("ix_inbox_parked", "state_at", sqlite_where=text("state = 'parked'")),
    Index("ix_inbox_urgent", "state", "unit", sqlite_where=text("urgency > 0")),
    Index("ix_inbox_letter", "letter_pos"),
    # What the desk counts and lists, and what came when.
    Index("ix_inbox_desk", "unit", "state", "secret", "urgency"),
    Index("ix_inbox_taken", "unit", "taken_at"),
)

past = Table(
    "past",
    metadata,
    Column("delivery_id", String, primary_key=True),
    Column("unit", String, nullable=False),
    Column("secret", Boolean, nullable=False),
    Column("issuer", String, nullable=False),
    Column("type", String, nullable=False),
    Column("urgency", Integer, nullable=False),
    Column("taken_at", Integer, nullable=False),
    Column("registered_at", Integer),
    Column("state", String, nullable=False),
    Column("state_at", Integer, nullable=False),
    Column("lead", Text, nullable=False),  # who led at last; empty: nobody was named
    Column("directed_at", Integer),
    Column("until", Integer),  # by when the last direction wanted it
    Column("answer", Text, nullable=False),  # the notation of what answered it
    Index("ix_past_taken", "unit", "taken_at"),
    sqlite_with_rowid=False,
)
"""What registers and reports still need of deliveries that were forgotten."""

recall = Table(
    "recall",
    metadata,
    Column("unit", String, primary_key=True),
    Column("dispatch_id", String, primary_key=True),
    Column("by", String, nullable=False),  # the dispatch that calls it back
    Column("reason", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""What units were told to give back, whether it is here already or not."""

receipt = Table(
    "receipt",
    metadata,
    Column("pos", Integer, primary_key=True),
    Column("id", String, nullable=False),
    Column("inbox_pos", Integer, nullable=False),
    Column("status", String, nullable=False),
    Column("at", String, nullable=False),  # RFC 3339 with the offset of the unit's clock
    Column("seq", Integer, nullable=False),
    Column("express", Boolean, nullable=False),
    Column("gateway_version", String, nullable=False),
    Column("sent_at", Integer),
    Column("reason", Text),
    Column("attempts", Integer),
    Column("person", Text),
    Column("department", Text),
    Column("register_number", Text),
    Column("code", String),  # of the reason: see schemas.reasons
    Column("corrects", String),  # the receipt of the same delivery whose fields it puts right
    Column("undoes", String),  # the one that was given by mistake
    Index("ix_receipt_inbox", "inbox_pos"),
    Index("ix_receipt_unsent", "express", "pos", sqlite_where=text("sent_at IS NULL")),
)

content_use = Table(
    "content_use",
    metadata,
    Column("sha256", String, primary_key=True),
    Column("inbox_pos", Integer, primary_key=True, index=True),
    sqlite_with_rowid=False,
)

outgoing = Table(
    "outgoing",
    metadata,
    Column("pos", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),  # made when it was taken; its submission's idempotency key
    Column("name", String, nullable=False),  # of its folder, as a person gave it
    Column("issuer", String, nullable=False, server_default=""),
    Column("notation", String, nullable=False, server_default=""),
    Column("subject", String, nullable=False, server_default=""),
    Column("urgency", Integer, nullable=False, server_default="0"),
    Column("body", LargeBinary, nullable=False),  # the submission, its attachments named by hash; empty: unreadable
    Column("taken_at", Integer, nullable=False),
    Column("state", String, nullable=False),  # waiting, accepted, rejected
    Column("state_at", Integer, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),  # why it waits or was rejected
    Column("retry_at", Integer, nullable=False, server_default="0"),  # the courier leaves it alone until then
    Column("size", Integer, nullable=False, server_default="0"),  # of its files
    Column("done", Integer, nullable=False, server_default="0"),  # of that, what the router is known to have
    Column("dispatch_id", String),
    Column("addressees", Integer),
    Column("folded", String, nullable=False, server_default=""),  # issuer, notation, subject: schemas.text.fold
    Index("ix_outgoing_waiting", "urgency", "size", sqlite_where=text("state = 'waiting'")),
    Index("ix_outgoing_ended", "state_at", sqlite_where=text("state <> 'waiting'")),
    Index("ix_outgoing_dispatch", "dispatch_id"),
)
"""Documents that the unit sends: what people put into the outbox or sent at the desk, and what became of it."""

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
    Column("person", String, nullable=False),  # who began it
    Column("full_name", Text, nullable=False),
    Column("changed_at", Integer, nullable=False),
    Column("notation", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("folded", String, nullable=False),  # notation, subject: schemas.text.fold
    Column("fields", Text, nullable=False),  # all that was typed: consumers.desk.typed as JSON
    Column("mends", String, nullable=False, server_default=""),  # the id of the rejected one that it puts right
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

outgoing_file = Table(
    "outgoing_file",
    metadata,
    Column("outgoing_pos", Integer, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("file_name", String, nullable=False),  # in its folder; of a document of the desk, as people call it
    Column("sha256", String, nullable=False, index=True),
    Column("size", Integer, nullable=False),
    sqlite_with_rowid=False,
)

gap = Table(
    "gap",
    metadata,
    Column("unit", String, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("asked", Integer, nullable=False),  # times
    Column("ask_at", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Sequence numbers below the highest seen of a unit that have not come."""

outage = Table(
    "outage",
    metadata,
    Column("pos", Integer, primary_key=True),
    Column("down_at", Integer, nullable=False),
    Column("up_at", Integer),  # NULL: the line is down
)
"""When the line was down; a row goes when a broker has confirmed that the router will know."""

book = Table(
    "book",
    metadata,
    Column("pos", Integer, primary_key=True),
    Column("unit", String, nullable=False),
    Column("kind", String, nullable=False),  # schemas.register.BookKind
    Column("name", String, nullable=False),  # empty: the unit's only one, or the one for all that has none of its own
    Column("year", Integer, nullable=False),
    Column("first", Integer, nullable=False),  # the number that it begins with
    Column("last", Integer, nullable=False),  # the last number given or reserved; first - 1: none
    Column("closed_at", Integer),
    Column("closed_by", Text, nullable=False, server_default=""),
    Column("unconfirmed", Boolean, nullable=False, server_default="0"),  # restored: see consumers.spool.confirming
    UniqueConstraint("unit", "kind", "name", "year"),
)
"""The registers (sổ): one series of numbers for each unit, kind, name and year."""

restored = Table(
    "restored",
    metadata,
    Column("unit", String, primary_key=True),
    Column("at", Integer, nullable=False),
    Column("year", Integer, nullable=False),  # of that day: books up to it may have begun without our knowing
    sqlite_with_rowid=False,
)
"""Units whose books came back after a loss: numbers may have been given that nobody here knows of."""

book_entry = Table(
    "book_entry",
    metadata,
    Column("pos", Integer, primary_key=True),
    Column("book_pos", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("delivery_id", String),  # what came by the line; NULL: it came on paper, goes out, or is reserved
    Column("state", String, nullable=False),  # reserved, entered, struck, lost
    Column("version", Integer, nullable=False),  # the newest of its versions
    Column("notation", String, nullable=False, server_default=""),  # in that version
    UniqueConstraint("book_pos", "number"),
    Index("ix_book_entry_delivery", "delivery_id", unique=True, sqlite_where=text("state = 'entered'")),
    Index("ix_book_entry_notation", "notation", sqlite_where=text("state = 'entered'")),
)
"""One for each number that was given, and none is ever removed."""

book_version = Table(
    "book_version",
    metadata,
    Column("entry_pos", Integer, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("at", Integer, nullable=False),
    Column("person", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("reason", Text, nullable=False),  # why it was put right, struck, or its number reserved
    Column("state", String, nullable=False),
    Column(
        "fields", Text, nullable=False
    ),  # schemas.register.RegisterFields as JSON; empty while it is reserved or lost
    sqlite_with_rowid=False,
)
"""What an entry said from when on: what was put right stays readable."""

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
