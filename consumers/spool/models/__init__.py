"""The spool's tables (SQLAlchemy Core on SQLite). Times are UTC milliseconds since 1970, sizes bytes, ids as text.

``inbox`` holds what was taken, one row per delivery, and ``letter`` what its dispatch says; ``receipt`` is what was
said of it, and with ``sent_at`` NULL the outbox. A row of ``content_use`` keeps the content of that hash on the disk.
``outgoing`` is what goes the other way, ``draft`` what is still being written, ``question`` what the router is asked.
``book`` and what belongs to it are the unit's registers. ``step`` and ``task`` are how its people deal with a document,
``journal`` is what they did.
"""

from consumers.spool.models._base import metadata
from consumers.spool.models.desk import (
    desk_letter,
    draft,
    draft_file,
    journal,
    letter_form,
    mail,
    people,
    question,
    step,
    task,
)
from consumers.spool.models.registers import book, book_entry, book_version, past, restored
from consumers.spool.models.way import (
    content_use,
    gap,
    inbox,
    letter,
    letter_reference,
    meta,
    outage,
    outgoing,
    outgoing_file,
    recall,
    receipt,
    unit,
    unit_name,
)

__all__ = [
    "book",
    "book_entry",
    "book_version",
    "content_use",
    "desk_letter",
    "draft",
    "draft_file",
    "gap",
    "inbox",
    "journal",
    "letter",
    "letter_form",
    "letter_reference",
    "mail",
    "meta",
    "metadata",
    "outage",
    "outgoing",
    "outgoing_file",
    "past",
    "people",
    "question",
    "recall",
    "receipt",
    "restored",
    "step",
    "task",
    "unit",
    "unit_name",
]
