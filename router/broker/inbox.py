"""What the broker sends on one channel in bulk: deliveries, returns and confirms, decoded straight from frames.

pika's own decoding makes three frame objects, a method object, a properties object and a handful of callback look-ups
per message; here one pass over the bytes makes one :class:`Delivered`. All other methods are left to pika. A test
feeds both decoders the same bytes and compares.
"""

import struct
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import structlog
from pika import data as pika_data

from router.broker.message import PROPERTIES_BYTES, Delivered, short_headers
from schemas.events import Event

METHOD, HEADER, BODY = 1, 2, 3
_DELIVER, _RETURN, _ACK, _NACK = b"\x00\x3c\x00\x3c", b"\x00\x3c\x00\x32", b"\x00\x3c\x00\x50", b"\x00\x3c\x00\x78"
_OURS = {_DELIVER, _RETURN, _ACK, _NACK}
_uint64 = struct.Struct(">Q").unpack_from
_uint32 = struct.Struct(">I").unpack_from
_int32 = struct.Struct(">i").unpack_from
_int64 = struct.Struct(">q").unpack_from
_size_and_flags = struct.Struct(">QH").unpack_from
_PROPERTIES_AT = 14
_SHOWN = 200
_CONTENT_TYPE, _CONTENT_ENCODING, _HEADERS, _DELIVERY_MODE, _PRIORITY = 1 << 15, 1 << 14, 1 << 13, 1 << 12, 1 << 11
_TIMESTAMP = 1 << 6
_THEN = (1 << 10, 1 << 9, 1 << 8, 1 << 7, _TIMESTAMP, 1 << 5, 1 << 4)
"""Correlation id, reply to, expiration, message id, timestamp, type, user id: all but the timestamp are short texts."""
log = structlog.get_logger()


class Properties(NamedTuple):
    """The properties we read; what was not sent is empty. A tuple, because one is made per message."""

    headers: dict[str, Any]
    correlation_id: str = ""
    reply_to: str = ""
    message_id: str = ""
    type: str = ""
    user_id: str = ""


class Inbox:
    """Puts the frames of one channel together.

    Args:
        on_deliver: called with the delivery tag and the message; its ``queue`` is the consumer tag.
        on_return: called with the message id and the broker's reason.
        on_confirm: called with the publish's sequence number, whether all before it are meant too, and whether
            it is an ack (True) or a nack.
        most: bytes of a delivery's body; of a longer one nothing is kept but its size.
    """

    __slots__ = ("_body", "_confirm", "_deliver", "_header", "_left_out", "_method", "_missing", "_most", "_return")

    def __init__(
        self,
        *,
        on_deliver: Callable[[int, Delivered], None] | None = None,
        on_return: Callable[[str, str], None] | None = None,
        on_confirm: Callable[[int, bool, bool], None] | None = None,
        most: int = sys.maxsize,
    ) -> None:
        self._deliver = on_deliver
        self._return = on_return
        self._confirm = on_confirm
        self._method = self._header = b""
        self._body: list[bytes] = []
        self._missing = self._left_out = 0
        self._most = most

    def take(self, kind: int, payload: bytes) -> bool:
        """Take one frame's payload; False when it is none of ours and pika should see it."""
        if kind == BODY:
            if not self._left_out:
                self._body.append(payload)
            self._missing -= len(payload)
        elif kind == HEADER:
            self._header = payload
            self._missing = _uint64(payload, 4)[0]
            self._left_out = self._missing if self._missing > self._most else 0
        elif kind == METHOD and payload[:4] in _OURS:
            return self._take_method(payload)
        else:
            return False
        if self._missing <= 0:
            self._complete()
        return True

    def _take_method(self, payload: bytes) -> bool:
        name = payload[:4]
        if name in (_ACK, _NACK):
            if self._confirm is not None:
                self._confirm(_uint64(payload, 4)[0], payload[12] & 1 == 1, name == _ACK)
        else:
            self._method = payload
            self._body = []
        return True

    def _complete(self) -> None:
        method, body = self._method, self._body
        content = body[0] if len(body) == 1 else b"".join(body)
        self._body = []
        if method[:4] == _DELIVER:
            if self._deliver is not None:
                self._deliver(*_delivery(method, _properties_of(self._header), content, self._left_out))
        elif self._return is not None:
            self._return(_properties_of(self._header).message_id, _reason(method))


def _delivery(method: bytes, properties: Properties, body: bytes, left_out: int) -> tuple[int, Delivered]:
    at = 5 + method[4]
    routing_key_at = at + 10 + method[at + 9]  # after the tag, the redelivered octet and the exchange
    headers, correlation_id, reply_to, message_id, kind, user_id = properties
    return _uint64(method, at)[0], Delivered(
        body,
        method[5:at].decode("utf-8", "replace"),
        method[routing_key_at + 1 : routing_key_at + 1 + method[routing_key_at]].decode("utf-8", "replace"),
        message_id,
        kind,
        user_id,
        headers,
        reply_to,
        correlation_id,
        method[at + 8] != 0,
        left_out,
    )


def _reason(method: bytes) -> str:
    return method[7 : 7 + method[6]].decode("utf-8", "replace")


def _properties_of(header: bytes) -> Properties:
    try:
        found = read_properties(header)
        if len(header) > PROPERTIES_BYTES:
            return found._replace(headers=short_headers(found.headers))
    except Exception as error:  # noqa: BLE001 - whatever a sender put there, the connection must not die of it
        # The message is shown without properties, so its handler refuses it.
        log.warning(Event.PROPERTIES_UNREADABLE, error=repr(error)[:_SHOWN])
        return Properties({})
    return found


def read_properties(header: bytes) -> Properties:
    """Decode a content header frame's payload.

    Raises:
        struct.error, IndexError: it is not well-formed.
    """
    _, flags = _size_and_flags(header, 4)
    at = _PROPERTIES_AT
    for flag in (_CONTENT_TYPE, _CONTENT_ENCODING):
        if flags & flag:
            at += 1 + header[at]
    headers: dict[str, Any] = {}
    if flags & _HEADERS:
        headers, at = _headers(header, at)
    at += bool(flags & _DELIVERY_MODE) + bool(flags & _PRIORITY)
    texts: list[str] = []
    for flag in _THEN:
        text = ""
        if flags & flag:
            if flag == _TIMESTAMP:
                at += 8
            else:
                stop = at + 1 + header[at]
                text = header[at + 1 : stop].decode("utf-8", "replace")
                at = stop
        texts.append(text)
    correlation_id, reply_to, _, message_id, _, kind, user_id = texts
    return Properties(headers, correlation_id, reply_to, message_id, kind, user_id)


def _headers(data: bytes, at: int) -> tuple[dict[str, Any], int]:
    """The headers and where they end; those that cannot be read (a date in year 10⁹, a thousand levels) are left out.

    What stands behind them, the sender among it, is read all the same, because a table gives its size.
    """
    end = at + 4 + _uint32(data, at)[0]
    try:
        return _table(data, at)[0], end
    except Exception as error:  # noqa: BLE001 - pika's decoder raises what the datetime and decimal libraries do
        log.warning(Event.PROPERTIES_UNREADABLE, error=repr(error)[:_SHOWN])
        return {}, end


def _table(data: bytes, at: int) -> tuple[dict[str, Any], int]:
    end = at + 4 + _uint32(data, at)[0]
    at += 4
    table: dict[str, Any] = {}
    while at < end:
        kind_at = at + 1 + data[at]
        name = data[at + 1 : kind_at].decode("utf-8", "replace")
        kind = data[kind_at]
        if kind == 0x53:  # noqa: PLR2004 - S, text
            at = kind_at + 5 + _uint32(data, kind_at + 1)[0]
            table[name] = data[kind_at + 5 : at].decode("utf-8", "replace")
        elif kind == 0x49:  # noqa: PLR2004 - I, 32 bits
            table[name] = _int32(data, kind_at + 1)[0]
            at = kind_at + 5
        elif kind == 0x6C:  # noqa: PLR2004 - l, 64 bits
            table[name] = _int64(data, kind_at + 1)[0]
            at = kind_at + 9
        else:
            table[name], at = pika_data.decode_value(data, kind_at)
    return table, at
