"""Putting aside what cannot be used: a confirmed copy in the exchange ``dead``, with its reason.

Whatever a sender put into a message, its copy can be published: every text is cut to what AMQP takes there, headers are
bounded in number and size, and what the broker would act on (CC, ``x-…``) has another name.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

import structlog

from router.broker.message import Delivered, Outgoing, PublishOutcome, Template, short_text
from router.broker.publisher import Publisher
from schemas.clock import now_ms
from schemas.events import Event

DEAD = "dead"
MAX_BODY = 1024 * 1024
"""Bytes of a body that are kept; of a longer one the copy gives size and hash."""
_MAX_REASON = 1000
_MAX_SHORT = 255
_MAX_HEADERS = 20
_MAX_NAME = 60
_MAX_VALUE = 300
_ROOM = 1200
"""Bytes of the sender's headers. With all else a copy's properties stay below 4096 bytes, the smallest frame (AMQP)."""
_NO_ID = "none"
_TRIES = 3
_PAUSE = 0.3
_OURS = frozenset({"reason", "routing_key", "queue", "user", "body_bytes", "body_sha256"})
_ACTED_ON = frozenset({"cc", "bcc"})
log = structlog.get_logger()


async def dead_letter(publisher: Publisher, delivered: Sequence[tuple[Delivered, str]]) -> list[int]:
    """Publish messages to ``dead``, each with why; one of which we have no body is left to its broker.

    A copy keeps body, type, message id and headers; what its broker knew of it (routing key, queue, sender) and the
    reason are further headers, because the copy's own ``user_id`` is the publisher's.

    Returns:
        The places of those that ``dead`` did not take. Reject their originals: the broker then holds them back and
        moves them to ``dead`` by itself as soon as that takes them, and the rest of the batch is not held up.
    """
    if not delivered:
        return []
    whole = [place for place, (message, _) in enumerate(delivered) if not message.left_out]
    outcomes = await _publish(publisher, [copy_of(*delivered[place]) for place in whole]) if whole else []
    failed = {
        place: outcome
        for place, outcome in zip(whole, outcomes, strict=True)
        if outcome is not PublishOutcome.CONFIRMED
    }
    first_reason = cut(delivered[0][1], _MAX_REASON)
    if failed:
        first = next(iter(failed.values()))
        log.error(Event.DEAD_REFUSED, messages=len(failed), outcome=first, first_reason=first_reason)
    if len(failed) < len(delivered):
        log.warning(Event.DEAD_LETTERED, messages=len(delivered) - len(failed), first_reason=first_reason)
    return [place for place in range(len(delivered)) if place in failed or delivered[place][0].left_out]


async def _publish(publisher: Publisher, copies: Sequence[Outgoing]) -> list[PublishOutcome]:
    """Publish, and what was lost with a channel or a connection a few times more."""
    outcomes = await publisher.publish(copies)
    for _ in range(_TRIES - 1):
        lost = [place for place, outcome in enumerate(outcomes) if outcome is PublishOutcome.LOST]
        if not lost:
            break
        await asyncio.sleep(_PAUSE)
        again = await publisher.publish([copies[place] for place in lost])
        for place, outcome in zip(lost, again, strict=True):
            outcomes[place] = outcome
    return outcomes


def copy_of(message: Delivered, reason: str) -> Outgoing:
    """A copy that can be published, of any message that a broker can deliver."""
    told: dict[str, str | int] = {
        "reason": cut(reason, _MAX_REASON),
        "routing_key": cut(message.routing_key, _MAX_SHORT),
        "queue": cut(message.queue, _MAX_SHORT),
        "user": cut(message.user_id, _MAX_SHORT),
    }
    if len(message.body) > MAX_BODY:
        told |= {"body_bytes": len(message.body), "body_sha256": sha256(message.body).hexdigest()}
    headers = dict(_bounded(message.headers)) | told
    kind, body = cut(message.type, _MAX_SHORT), message.body[:MAX_BODY]
    template = Template(DEAD, kind, body, headers, timestamp_ms=now_ms())
    return Outgoing(template, str(told["routing_key"]), cut(message.message_id, _MAX_SHORT) or _NO_ID)


def cut(text: str, size: int) -> str:
    """The longest beginning that is at most so many bytes of UTF-8; half surrogate pairs become question marks."""
    return text.encode("utf-8", "replace")[:size].decode("utf-8", "ignore")


def _bounded(headers: Mapping[Any, Any]) -> Iterator[tuple[str, str | int]]:
    """The sender's headers as texts and whole numbers, as many as have room."""
    room = _ROOM
    for name, value in list(headers.items())[:_MAX_HEADERS]:
        key = _safe_name(short_text(name))
        shown = value if _is_int64(value) else cut(short_text(value), _MAX_VALUE)
        room -= len(key.encode()) + 14 + (len(shown.encode()) if isinstance(shown, str) else 0)
        if room < 0:
            return
        yield key, shown


def _safe_name(name: str) -> str:
    plain = cut(name, _MAX_NAME)
    risky = plain.lower() in _ACTED_ON or plain.lower().startswith("x-") or plain in _OURS
    return f"was-{plain}" if risky else plain


def _is_int64(value: Any) -> bool:
    return isinstance(value, int) and -(2**63) <= value < 2**63
