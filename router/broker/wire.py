"""Publishing as bytes: ``basic.publish``, content header and body frames of AMQP 0-9-1, without frame objects.

Many messages differ in routing key, message id and a few headers only. What their template fixes is encoded once per
channel (a :class:`FrameTemplate`); a message's own part is joined to it. Layout: AMQP 0-9-1 sections 2.3.5 and 4.2, the
basic class's properties in the order of its flags.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from router.broker.errors import EncodingError
from router.broker.message import Headers, Outgoing, Template

FRAME_OVERHEAD = 8
"""Type, channel and size before a frame's payload, the end octet after it."""
_SHORTEST, _LONGEST = -(2**63), 2**63 - 1
_MAX_SHORT = 255
_PERSISTENT = b"\x02"
_END = b"\xce"
_PUBLISH = b"\x00\x3c\x00\x28\x00\x00"  # class 60, method 40, a reserved short
_CONTENT_TYPE, _HEADERS, _DELIVERY_MODE, _CORRELATION_ID = 1 << 15, 1 << 13, 1 << 12, 1 << 10
_REPLY_TO, _MESSAGE_ID, _TIMESTAMP, _TYPE, _USER_ID = 1 << 9, 1 << 7, 1 << 6, 1 << 5, 1 << 4

_frame = struct.Struct(">BHI").pack
_content = struct.Struct(">HHQH").pack
_long = struct.Struct(">I").pack
_text = struct.Struct(">cI").pack
_int32 = struct.Struct(">ci").pack
_int64 = struct.Struct(">cq").pack


@dataclass(frozen=True, slots=True)
class Framing:
    """Where the bytes will go: the channel, who publishes, and the largest frame agreed on (bytes)."""

    channel: int
    user: str
    frame_max: int


@dataclass(frozen=True, slots=True)
class FrameTemplate:
    """A template's share of the bytes on one line."""

    exchange: bytes  # the method's fixed part
    flags: bytes  # mandatory, and the method frame's end
    start: bytes  # class, body size, property flags, content type, for a message without a correlation id
    start_correlated: bytes  # the same for one with it
    headers: bytes
    reply_to: bytes
    finish: bytes  # what stands after the message id, and the header frame's end
    body: bytes  # whole frames


def encode(messages: Iterable[Outgoing], line: Framing) -> list[bytes]:
    """The frames of many messages, two pieces each: what is its own, and its template's body frames.

    Raises:
        EncodingError: AMQP cannot carry one of them.
    """
    pieces: list[bytes] = []
    for message in messages:
        template = message.template
        frames = template.encoded.get(line)
        if frames is None:
            frames = _keep(template, line)
        pieces.append(_own(message, frames, line))
        pieces.append(frames.body)
    return pieces


def _own(message: Outgoing, frames: FrameTemplate, line: Framing) -> bytes:
    method = frames.exchange + _short(message.routing_key) + frames.flags
    message_id = _short(message.message_id)
    headers = _table(message, frames)
    table_size = _long(len(headers))
    correlation = message.correlation_id or message.template.correlation_id
    if correlation:
        parts = (frames.start_correlated, table_size, headers, _PERSISTENT, _short(correlation))
    else:
        parts = (frames.start, table_size, headers, _PERSISTENT, b"")
    content = b"".join((*parts, frames.reply_to, message_id, frames.finish))
    if len(content) - 1 > line.frame_max - FRAME_OVERHEAD:
        raise EncodingError(f"message {message.message_id}: {len(content)} bytes of properties do not fit in one frame")
    # The frame's end octet is part of both pieces, but does not count in a frame's size.
    return _frame(1, line.channel, len(method) - 1) + method + _frame(2, line.channel, len(content) - 1) + content


def _table(message: Outgoing, frames: FrameTemplate) -> bytes:
    own, shared = message.headers, message.template.headers
    if not own:
        return frames.headers
    if own.keys().isdisjoint(shared):
        return frames.headers + _entries(own)
    return _entries({**shared, **own})


def _keep(template: Template, line: Framing) -> FrameTemplate:
    frames = template.encoded[line] = _encode_template(template, line)
    return frames


def _encode_template(template: Template, line: Framing) -> FrameTemplate:
    flags = _HEADERS | _DELIVERY_MODE | _MESSAGE_ID | _USER_ID
    flags |= _CONTENT_TYPE * bool(template.content_type) | _REPLY_TO * bool(template.reply_to)
    flags |= _TIMESTAMP * (template.timestamp_ms is not None) | _TYPE * bool(template.type)
    content_type = _optional(template.content_type)
    timestamp = b"" if template.timestamp_ms is None else struct.pack(">Q", template.timestamp_ms // 1000)
    size = len(template.body)
    return FrameTemplate(
        exchange=_PUBLISH + _short(template.exchange),
        flags=(b"\x01" if template.mandatory else b"\x00") + _END,
        start=_content(60, 0, size, flags) + content_type,
        start_correlated=_content(60, 0, size, flags | _CORRELATION_ID) + content_type,
        headers=_entries(template.headers),
        reply_to=_optional(template.reply_to),
        finish=timestamp + _optional(template.type) + _short(line.user) + _END,
        body=_body(template.body, line),
    )


def _body(body: bytes, line: Framing) -> bytes:
    room = line.frame_max - FRAME_OVERHEAD
    parts = (body[at : at + room] for at in range(0, len(body), room))
    return b"".join(_frame(3, line.channel, len(part)) + part + _END for part in parts)


def _entries(headers: Headers) -> bytes:
    return b"".join([_name(name) + _value(name, value) for name, value in headers.items()])


def _value(name: str, value: str | int) -> bytes:
    if isinstance(value, str):
        data = _utf8(value)
        return _text(b"S", len(data)) + data
    if isinstance(value, bool):
        return b"t\x01" if value else b"t\x00"
    if not isinstance(value, int) or not _SHORTEST <= value <= _LONGEST:
        raise EncodingError(f"header {name!r} is {value!r}; use text or a 64-bit whole number (milliseconds, bytes)")
    return _int32(b"I", value) if -(2**31) <= value < 2**31 else _int64(b"l", value)


def is_short(text: str) -> bool:
    """Whether AMQP can carry a text as a name or a short property: at most 255 bytes of UTF-8."""
    try:
        return len(text.encode()) <= _MAX_SHORT
    except UnicodeEncodeError:
        return False


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise EncodingError(f"{text[:40]!r} holds half of a surrogate pair, which UTF-8 cannot write") from error


def _short(text: str) -> bytes:
    data = _utf8(text)
    if len(data) > _MAX_SHORT:
        raise EncodingError(f"{text[:40]!r}… is {len(data)} bytes of UTF-8; AMQP allows {_MAX_SHORT} there")
    return len(data).to_bytes(1, "big") + data


def _optional(text: str) -> bytes:
    return _short(text) if text else b""


@lru_cache(maxsize=1024)
def _name(text: str) -> bytes:
    return _short(text)
