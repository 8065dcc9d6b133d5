"""What travels in AMQP for one delivery: at most 4 kB, the same body for every addressee of a dispatch.

The body says *what* (the letter and its attachments, small ones inside); the message's properties say *for whom*:
``message_id`` is the delivery's id, the headers ``unit`` and ``seq`` its addressee and that unit's sequence number.
So the body is encoded once for all addressees. See ``thin-lines`` in the docs for why 4 kB.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

import orjson
from pydantic import Field

from schemas.attachment import PLAIN, Attachment, Forms, TravellingAttachment
from schemas.codes import UnitCode
from schemas.dispatch import Kind, Letter, Secrecy, Submission
from schemas.ids import Id, SequenceNumber
from schemas.model import Travelling

MAX_DESCRIPTOR_BYTES = 4096
HEADER_UNIT = "unit"
HEADER_SEQ = "seq"
HEADER_TRACEPARENT = "traceparent"
HEADER_REDRIVEN = "redriven"
TYPE_DESCRIPTOR = "descriptor"
_ESCAPED = '"\\\n\t'
"""What takes a backslash more in JSON; other controls are not let in."""
_OUTLINE_BYTES = {"notation": 250, "type": 250, "signer": 250, "place": 250, "subject": 700, "flash_text": 700}
"""What each free text of a stub may take, as encoded; the other fields need at most 1,400 bytes together."""


class Descriptor(Letter):
    """The body of a delivery's message.

    When the letter and its list of attachments do not fit in 4 kB, the full body is itself kept in the content
    store and ``record`` names it: the gateway fetches it first, then goes on as usual.
    """

    v: Annotated[int, Field(ge=1, le=1)] = 1
    """Of the form of this message."""
    id: Id
    """Of the dispatch."""
    attachments: tuple[TravellingAttachment, ...] = ()
    """What is to be fetched, or rides inside."""
    record: TravellingAttachment | None = None
    """Where the full body is, when it does not fit into this message."""


class Envelope(Travelling):
    """The properties of a delivery's message."""

    delivery_id: Id
    unit: UnitCode
    seq: SequenceNumber
    traceparent: str = ""
    redriven: Annotated[int, Field(ge=0, le=2**53 - 1)] | None = None
    """When an operator last had it sent again, UTC ms; 0: never. Routers before this header say nothing (None)."""


def full_descriptor(
    dispatch_id: str, submission: Submission, forms: Mapping[str, Forms] = MappingProxyType({})
) -> Descriptor:
    """The descriptor of an accepted submission, its attachments by reference; ``forms`` are theirs, by SHA-256."""
    letter = {name: getattr(submission, name) for name in Letter.model_fields}  # validated when it was submitted
    files = tuple(travelling(item, forms.get(item.sha256, PLAIN)) for item in submission.attachments)
    return Descriptor.model_construct(id=dispatch_id, attachments=files, **letter)


def encode(descriptor: Descriptor) -> bytes:
    """Compact JSON, fields at their default left out."""
    return descriptor.model_dump_json(exclude_defaults=True, by_alias=True).encode()


def fits(body: bytes) -> bool:
    """Whether a body may travel in a message."""
    return len(body) <= MAX_DESCRIPTOR_BYTES


def is_classified(body: bytes) -> bool:
    """Whether an encoded descriptor is of a classified letter; one that cannot be read is taken to be."""
    try:
        return bool(orjson.loads(body).get("secrecy", Secrecy.NONE.value) != Secrecy.NONE.value)
    except (ValueError, AttributeError):
        return True


def travelling(item: Attachment, forms: Forms) -> TravellingAttachment:
    """An attachment by reference, with the forms it may come in."""
    return TravellingAttachment(**item.model_dump(), **forms.model_dump())


def stub(descriptor: Descriptor, record: TravellingAttachment) -> Descriptor:
    """A descriptor that fits: the letter's outline, its texts cut short, and where the full body is.

    A recall keeps the ids of what it recalls, which a gateway acts on before it has the rest, and leaves out the text.
    """
    outline: dict[str, object] = {
        name: _beginning(getattr(descriptor, name), size) for name, size in _OUTLINE_BYTES.items()
    }
    outline |= {"flash_text": ""} if descriptor.kind is Kind.RECALL else {"refers_to": ()}
    return descriptor.model_copy(update={**outline, "attachments": (), "record": record})


def _beginning(text: str, size: int) -> str:
    """The longest beginning of a text that takes at most ``size`` bytes inside a JSON string."""
    used = 0
    for index, char in enumerate(text):
        used += len(char.encode()) + (char in _ESCAPED)
        if used > size:
            return text[:index]
    return text
