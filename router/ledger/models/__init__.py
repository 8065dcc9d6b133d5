"""The ledger's tables (SQLAlchemy Core). Times are UTC milliseconds since 1970, sizes bytes, ids UUIDv7 as text.

``delivery`` holds the present state of one dispatch for one unit; ``receipt`` is append-only and holds how it came to
be so. ``delivery.next_due_at`` is the outbox: when it is in the past, the relay publishes the delivery; when it is
NULL, nothing is to be sent. A relay claims a delivery by moving ``next_due_at`` a lease ahead, so a relay that dies
gives its claim back by itself.
"""

from router.ledger.models._base import metadata
from router.ledger.models.contents import content_holder, content_removed
from router.ledger.models.copies import book_copy
from router.ledger.models.log import log_checkpoint, log_entry, log_head, log_node
from router.ledger.models.people import (
    account,
    account_rights,
    account_use,
    audit,
    mail_tables,
    people_tables,
    person,
    saved_view,
    stuck_care,
)
from router.ledger.models.publication import publication
from router.ledger.models.recovery import forgotten, recovery, recovery_unit
from router.ledger.models.redrives import redrive, redrive_item
from router.ledger.models.units import line, outage, spool, unit, unit_code, unit_sequence, unit_trouble
from router.ledger.models.way import (
    attempt,
    counted_terms,
    delivery,
    dispatch,
    dispatch_attachment,
    dispatch_reference,
    dispatch_word,
    receipt,
    unit_receipts,
)

__all__ = [
    "account",
    "account_rights",
    "account_use",
    "attempt",
    "audit",
    "book_copy",
    "content_holder",
    "content_removed",
    "counted_terms",
    "delivery",
    "dispatch",
    "dispatch_attachment",
    "dispatch_reference",
    "dispatch_word",
    "forgotten",
    "line",
    "log_checkpoint",
    "log_entry",
    "log_head",
    "log_node",
    "mail_tables",
    "metadata",
    "outage",
    "people_tables",
    "person",
    "publication",
    "receipt",
    "recovery",
    "recovery_unit",
    "redrive",
    "redrive_item",
    "saved_view",
    "spool",
    "stuck_care",
    "unit",
    "unit_code",
    "unit_receipts",
    "unit_sequence",
    "unit_trouble",
]
