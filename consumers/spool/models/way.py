"""What the gateway works on: what was taken and said, what goes up, the line."""

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, String, Table, Text, text

from consumers.spool.models._base import metadata

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
    Column("seq", Integer, nullable=False),  # below 0: the number that another spool gave it, before a restore
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
    Column("secret", Boolean, nullable=False, server_default="0"),  # it is a state secret
    Index("ix_outgoing_waiting", "urgency", "size", sqlite_where=text("state = 'waiting'")),
    Index("ix_outgoing_ended", "state_at", sqlite_where=text("state <> 'waiting'")),
    # What the desk counts and lists, and where it looks for words: small beside the bodies.
    Index("ix_outgoing_desk", "issuer", "state", "secret"),
    Index("ix_outgoing_folded", "folded"),
)
"""Documents that the unit sends: what people put into the outbox or sent at the desk, and what became of it."""

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
