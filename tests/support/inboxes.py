"""Spools with documents in them, as a gateway leaves them."""

import hashlib
from pathlib import Path

from consumers.reading.inbox import InboxEntry, get_entry
from consumers.spool import Spool, open_spool
from consumers.spool.taking import Arriving, GapPauses, StoredLetter, take
from consumers.spool.work import Arrived, Parked, arrive, outlook, park
from schemas.attachment import TravellingAttachment, content_digest
from schemas.descriptor import Descriptor, encode
from schemas.dispatch import Urgency, lane_of
from schemas.ids import new_id
from schemas.states import Status

FILE = b"%PDF"
"""The bytes that the hash of its file is of; the size is said larger, as people see it."""
FILE_SHA256 = hashlib.sha256(FILE).hexdigest()


def put_document(
    data_dir: Path,
    *,
    notation: str = "123-CV/TU",
    unit: str = "LCA.02.05",
    state: Status = Status.ARRIVED,
    subject: str = "Về việc phòng, chống rét",
    reason: str = "",
    urgency: Urgency = Urgency.NORMAL,
) -> InboxEntry:
    """A document that is ``taken``, ``arrived`` or ``parked`` in the spool under a data directory."""
    spool = open_spool(data_dir)
    try:
        file = TravellingAttachment(name="a.pdf", media_type="application/pdf", size=5_200_000, sha256=FILE_SHA256)
        descriptor = Descriptor(
            id=new_id(),
            notation=notation,
            subject=subject,
            issuer="LCA.VP",
            urgency=urgency,
            attachments=(file,),
            flash_text="Rét đậm từ ngày 23.",
        )
        delivery_id = _take(spool, descriptor, unit)
        _bring_to(spool, delivery_id, urgency, state, reason)
        return get_entry(spool, delivery_id)
    finally:
        spool.close()


def _take(spool: Spool, descriptor: Descriptor, unit: str) -> str:
    letter = StoredLetter(
        dispatch_id=descriptor.id,
        issuer=descriptor.issuer,
        kind=descriptor.kind.value,
        notation=descriptor.notation,
        subject=descriptor.subject,
        urgency=int(descriptor.urgency),
        traceparent="",
        content_sha256=content_digest(descriptor.attachments),
        contents=(),
        body=encode(descriptor),
    )
    arriving = Arriving(delivery_id=new_id(), unit=unit, seq=1, letter=letter, complete=False)
    with spool.writing() as conn:
        take(conn, [([arriving], GapPauses(ask_after_ms=1000))])
    return arriving.delivery_id


def _bring_to(spool: Spool, delivery_id: str, urgency: Urgency, state: Status, reason: str) -> None:
    with spool.writing() as conn:
        ready = outlook(conn, lane_of(urgency), limit=1000, without=()).ready
        (item,) = [item for item in ready if item.delivery_id == delivery_id]
        if state is Status.ARRIVED:
            arrive(conn, [Arrived(item, attempts=1, keep=False)])
        elif state is Status.PARKED:
            park(conn, [Parked(item, attempts=8, reason=reason)])
