"""Reads what came from the broker: a message into a delivery, a body into its letter."""

from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from consumers.spool.taking import Arriving, Content, StoredLetter
from router.broker import Delivered
from schemas.attachment import TravellingAttachment, content_digest
from schemas.clock import to_ms
from schemas.descriptor import (
    HEADER_REDRIVEN,
    HEADER_SEQ,
    HEADER_TRACEPARENT,
    HEADER_UNIT,
    TYPE_DESCRIPTOR,
    Descriptor,
    Envelope,
)
from schemas.dispatch import Kind
from schemas.errors import FieldProblem, InvalidError
from schemas.model import parse, problems_of
from schemas.receipt import Ask
from schemas.recount import Recount

_LETTERS = 1000
"""Letters kept, read (5 MB at most): the addressees of one dispatch that are hosted here come close together."""


def read_arriving(message: Delivered, *, keeps_all: bool) -> Arriving:
    """The delivery that a message brings.

    Args:
        message: as the broker delivered it.
        keeps_all: the spool is where documents end, so one without contents to fetch is complete when it is stored.

    Raises:
        InvalidError: its properties or its body are not those of a descriptor.
    """
    if message.type != TYPE_DESCRIPTOR:
        problem = FieldProblem("type", f"must be {TYPE_DESCRIPTOR!r}", message.type)
        raise InvalidError("message", [problem])
    envelope = _envelope(message)
    letter = read_letter(message.body, envelope.traceparent)
    return Arriving(
        delivery_id=envelope.delivery_id,
        unit=envelope.unit,
        seq=envelope.seq,
        letter=letter,
        complete=keeps_all and not letter.contents,
        redriven_at=envelope.redriven,
    )


def read_ask(message: Delivered) -> Ask:
    """The receipts that the router lacks.

    Raises:
        InvalidError: the message is no such question.
    """
    return parse(Ask, message.body, what="question for receipts")


def read_recount(message: Delivered) -> Recount:
    """What the router wants to know of the spool.

    Raises:
        InvalidError: the message is no such question.
    """
    return parse(Recount, message.body, what="question for what is held")


@lru_cache(_LETTERS)
def read_letter(body: bytes, traceparent: str) -> StoredLetter:
    """What the spool keeps of a descriptor.

    Raises:
        InvalidError: it is none.
    """
    descriptor = parse(Descriptor, body, what="descriptor")
    return StoredLetter(
        dispatch_id=descriptor.id,
        issuer=descriptor.issuer,
        kind=descriptor.kind.value,
        notation=descriptor.notation,
        subject=descriptor.subject,
        urgency=int(descriptor.urgency),
        traceparent=traceparent,
        content_sha256=None if descriptor.record else content_digest(descriptor.attachments),
        contents=contents_of(descriptor),
        body=body,
        recalls=descriptor.refers_to if descriptor.kind is Kind.RECALL else (),
        type=descriptor.type,
        due=None if descriptor.due is None else to_ms(descriptor.due),
        secret=descriptor.secrecy.is_secret,
        refers_to=descriptor.refers_to,
    )


def contents_of(descriptor: Descriptor) -> tuple[Content, ...]:
    """What has to be fetched for a descriptor next: its record, or those attachments that do not ride inside."""
    if descriptor.record is not None:
        return (_content_of(descriptor.record),)
    by_reference = {item.sha256: _content_of(item) for item in descriptor.attachments if item.inline is None}
    return tuple(by_reference.values())


def _content_of(item: TravellingAttachment) -> Content:
    return Content(item.sha256, item.size, item.forms)


def _envelope(message: Delivered) -> Envelope:
    headers: dict[str, Any] = dict(message.headers)
    try:
        return Envelope(
            delivery_id=message.message_id,
            unit=headers.get(HEADER_UNIT, ""),
            seq=headers.get(HEADER_SEQ, 0),
            traceparent=headers.get(HEADER_TRACEPARENT, ""),
            redriven=headers.get(HEADER_REDRIVEN),
        )
    except ValidationError as error:
        raise InvalidError("message's properties", problems_of(error)) from error
