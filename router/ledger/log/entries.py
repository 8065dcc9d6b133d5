"""What an entry of the log is made of: rows of the ledger that never change, as the bytes that are hashed.

An entry's bytes are a line that names its kind, ``congvan/<kind>/1``, and for each of its rows a line: a JSON array of
the columns below without spaces, in UTF-8. Bytes of columns that are large stand as their SHA-256. Whoever has the rows
makes the same bytes again; the log keeps their hash and which rows they were.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import Table

from router.ledger.bulk import Row
from router.ledger.models import delivery, dispatch, receipt
from schemas.trust.merkle import leaf_hash

ID_BYTES = 16


class EntryKind(StrEnum):
    """What an entry tells of."""

    DISPATCH = "dispatch"
    """A dispatch was accepted."""
    DELIVERIES = "deliveries"
    """It has these addressees; those that got it handed on later are an entry of their own."""
    RECEIPTS = "receipts"
    """These receipts were recorded."""
    FORGOTTEN = "forgotten"
    """These receipts were removed, as the settings say that they are not kept."""


RECEIPT_COLUMNS = (
    *("id", "delivery_id", "status", "effect", "recorded_at", "at", "seq", "content_sha256", "reason", "person"),
    *("department", "register_number", "attempts", "gateway_version", "remark", "code", "corrects", "undoes"),
)
DELIVERY_COLUMNS = ("id", "dispatch_id", "unit", "seq")
DISPATCH_COLUMNS = (
    *("id", "issuer", "kind", "notation", "subject", "urgency", "lane", "due_at", "accepted_at", "account"),
    *("idempotency_key", "submission_sha256", "submission", "body", "content_sha256", "traceparent"),
)
SOURCES: Mapping[EntryKind, tuple[Table, tuple[str, ...]]] = {
    EntryKind.DISPATCH: (dispatch, DISPATCH_COLUMNS),
    EntryKind.DELIVERIES: (delivery, DELIVERY_COLUMNS),
    EntryKind.RECEIPTS: (receipt, RECEIPT_COLUMNS),
}
"""From which rows each kind is made; of what was forgotten the ids are all there is."""


class Entry(NamedTuple):
    """An entry on its way into the log: its kind, its hash, and the ids of its rows, 16 bytes each."""

    kind: EntryKind
    leaf_hash: bytes
    ids: bytes


def entry_of(kind: EntryKind, rows: Sequence[Row]) -> Entry:
    """The entry that rows make, each with the columns of its kind in their order."""
    return Entry(kind, leaf_hash(bytes_of(kind, rows)), packed(row[0] for row in rows))


def forgotten(ids: Sequence[str]) -> Entry:
    """The entry that says which receipts were removed."""
    return entry_of(EntryKind.FORGOTTEN, [(key,) for key in ids])


def bytes_of(kind: EntryKind, rows: Iterable[Row]) -> bytes:
    """What is hashed."""
    return b"\n".join((f"congvan/{kind}/1".encode(), *(orjson.dumps(row, default=_digest) for row in rows)))


def packed(ids: Iterable[str]) -> bytes:
    """Ids, one after the other."""
    return b"".join(UUID(key).bytes for key in ids)


def ids_in(packed_ids: bytes) -> list[str]:
    """What :func:`packed` packed."""
    places = range(0, len(packed_ids), ID_BYTES)
    return [str(UUID(bytes=packed_ids[place : place + ID_BYTES])) for place in places]


def _digest(value: object) -> str:
    """Bytes as their hash: orjson asks for what it does not write itself."""
    if isinstance(value, bytes | memoryview):
        return sha256(value).hexdigest()
    raise TypeError(f"a row of the ledger has no {type(value).__name__}")
