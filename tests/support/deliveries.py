"""Deliveries as they come to a gateway: descriptors, their messages, their rows."""

import base64
import hashlib
from typing import Any

from consumers.spool import Spool
from consumers.spool.taking import Arriving, GapPauses, take
from consumers.taking.descriptors import read_letter
from router.broker import Delivered
from schemas.attachment import TravellingAttachment
from schemas.descriptor import Descriptor, encode
from schemas.dispatch import lane_of
from schemas.ids import new_id

UNIT = "LCA.02.05"
TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
ONE_MINUTE = GapPauses(ask_after_ms=60_000)


def inside(name: str, data: bytes) -> TravellingAttachment:
    """An attachment that rides inside its descriptor."""
    sha256 = hashlib.sha256(data).hexdigest()
    return TravellingAttachment(name=name, size=len(data), sha256=sha256, inline=base64.b64encode(data))


def by_reference(name: str, data: bytes) -> TravellingAttachment:
    """An attachment that has to be fetched."""
    return TravellingAttachment(name=name, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def record_of(descriptor: Descriptor) -> tuple[TravellingAttachment, bytes]:
    """The record of a full descriptor, and its bytes."""
    body = encode(descriptor)
    sha256 = hashlib.sha256(body).hexdigest()
    return TravellingAttachment(name="record.json", size=len(body), sha256=sha256), body


def a_descriptor(**fields: Any) -> Descriptor:
    """A small letter."""
    given = {"id": new_id(), "notation": "123-CV/TU", "subject": "Về việc phòng, chống rét", "issuer": "LCA.VP"}
    return Descriptor(**(given | fields))


def arriving(
    descriptor: Descriptor | None = None,
    *,
    seq: int = 1,
    unit: str = UNIT,
    complete: bool = False,
    id_: str = "",
    redriven: int | None = None,
) -> Arriving:
    """A delivery of a letter."""
    body = encode(descriptor or a_descriptor())
    return Arriving(id_ or new_id(), unit, seq, read_letter(body, TRACE), complete, redriven)


def came(spool: Spool, *, unit: str = UNIT, seq: int = 1, **letter: Any) -> str:
    """A delivery that has arrived in a spool; its id."""
    item = arriving(a_descriptor(**letter), complete=True, unit=unit, seq=seq)
    with spool.writing() as conn:
        take(conn, [([item], ONE_MINUTE)])
    return item.delivery_id


def message(descriptor: Descriptor | None = None, **changed: Any) -> Delivered:
    """The message of a delivery, as the broker hands it over."""
    descriptor = descriptor or a_descriptor()
    queue = f"unit.{UNIT}.{lane_of(descriptor.urgency).value}"
    fields: dict[str, Any] = {
        "body": encode(descriptor),
        "queue": queue,
        "routing_key": queue.removeprefix("unit."),
        "message_id": new_id(),
        "type": "descriptor",
        "user_id": "router",
        "headers": {"unit": UNIT, "seq": 1, "traceparent": TRACE},
        "reply_to": "",
        "correlation_id": "",
        "redelivered": False,
    }
    return Delivered(**(fields | changed))
