import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import frame, spec
from structlog.testing import capture_logs

from router.broker.consumer import bounded_prefetch
from router.broker.inbox import Inbox
from router.broker.message import Delivered
from schemas.errors import InvalidError
from schemas.events import Event

SHORT = st.text(max_size=60)
PLAIN = st.one_of(st.text(max_size=100), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.none(), st.binary())
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SHORT, inner, max_size=3))
PROPERTIES = st.builds(
    spec.BasicProperties,
    content_type=st.none() | SHORT,
    content_encoding=st.none() | SHORT,
    headers=st.none() | st.dictionaries(SHORT, VALUES, max_size=5),
    delivery_mode=st.none() | st.sampled_from([1, 2]),
    priority=st.none() | st.integers(0, 9),
    correlation_id=st.none() | SHORT,
    reply_to=st.none() | SHORT,
    expiration=st.none() | SHORT,
    message_id=st.none() | SHORT,
    timestamp=st.none() | st.integers(0, 2**40),
    type=st.none() | SHORT,
    user_id=st.none() | SHORT,
    app_id=st.none() | SHORT,
    cluster_id=st.none() | SHORT,
)


class Taken:
    """Feeds marshalled frames to an inbox, as the link does, and keeps what comes out."""

    def __init__(self, most: int = 2**20) -> None:
        self.delivered: list[tuple[int, Delivered]] = []
        self.returned: list[tuple[str, str]] = []
        self.confirmed: list[tuple[int, bool, bool]] = []
        self._inbox = Inbox(
            on_deliver=lambda tag, message: self.delivered.append((tag, message)),
            on_return=lambda message_id, reason: self.returned.append((message_id, reason)),
            on_confirm=lambda tag, multiple, positive: self.confirmed.append((tag, multiple, positive)),
            most=most,
        )

    def feed(self, *frames: Any) -> bool:
        taken = True
        for one in frames:
            data = one.marshal()
            taken = self._inbox.take(data[0], data[7:-1]) and taken
        return taken


def bodies(body: bytes, parts: int) -> list[frame.Body]:
    step = max(1, -(-len(body) // parts))
    return [frame.Body(1, body[at : at + step]) for at in range(0, len(body), step)]


@given(
    properties=PROPERTIES,
    body=st.binary(max_size=500),
    parts=st.integers(1, 4),
    queue=SHORT,
    key=SHORT,
    tag=st.integers(0, 2**63),
    again=st.booleans(),
)
def test_a_delivery_is_read_as_pika_reads_it(
    *, properties: spec.BasicProperties, body: bytes, parts: int, queue: str, key: str, tag: int, again: bool
) -> None:
    taken = Taken()
    header = frame.Header(1, len(body), properties)
    method = frame.Method(1, spec.Basic.Deliver(queue, tag, again, "org.LCA", key))
    assert taken.feed(method, header, *bodies(body, parts))
    (_, theirs) = frame.decode_frame(header.marshal())
    want = theirs.properties
    assert taken.delivered == [
        (
            tag,
            Delivered(
                body=body,
                queue=queue,
                routing_key=key,
                message_id=want.message_id or "",
                type=want.type or "",
                user_id=want.user_id or "",
                headers=want.headers or {},
                reply_to=want.reply_to or "",
                correlation_id=want.correlation_id or "",
                redelivered=again,
            ),
        )
    ]


@given(PROPERTIES, st.binary(max_size=50), SHORT)
def test_a_return_names_the_message_and_the_reason(properties: spec.BasicProperties, body: bytes, reason: str) -> None:
    taken = Taken()
    method = frame.Method(1, spec.Basic.Return(312, reason, "org.LCA", "LCA.02.express"))
    assert taken.feed(method, frame.Header(1, len(body), properties), *bodies(body, 1))
    assert taken.returned == [(properties.message_id or "", reason)]


@given(tag=st.integers(0, 2**64 - 1), multiple=st.booleans())
def test_confirms_are_read_as_sent(*, tag: int, multiple: bool) -> None:
    taken = Taken()
    assert taken.feed(frame.Method(1, spec.Basic.Ack(tag, multiple)))
    assert taken.feed(frame.Method(1, spec.Basic.Nack(tag, multiple, requeue=False)))
    assert taken.confirmed == [(tag, multiple, True), (tag, multiple, False)]


def test_other_methods_are_left_to_pika() -> None:
    taken = Taken()
    assert not taken.feed(frame.Method(1, spec.Basic.ConsumeOk("queue")))
    assert not taken.feed(frame.Method(1, spec.Channel.Close(404, "NOT_FOUND", 60, 20)))
    assert not taken.feed(frame.Heartbeat())


def test_messages_follow_each_other_without_a_trace_of_the_last() -> None:
    taken = Taken()
    full = spec.BasicProperties(message_id="a", headers={"unit": "LCA.02"}, reply_to="answers")
    for tag, properties, body in ((1, full, b"one"), (2, spec.BasicProperties(), b""), (3, full, b"three")):
        method = frame.Method(1, spec.Basic.Deliver("queue", tag, redelivered=False, exchange="", routing_key="k"))
        taken.feed(method, frame.Header(1, len(body), properties), *bodies(body, 1))
    assert [(message.message_id, message.reply_to, message.body) for _, message in taken.delivered] == [
        ("a", "answers", b"one"),
        ("", "", b""),
        ("a", "answers", b"three"),
    ]


@pytest.mark.parametrize(
    "value",
    [
        b"?",  # a field type that does not exist
        b"T" + b"\xff" * 8,  # a date in year 10^11
        b"S\x7f\xff\xff\xff",  # longer than the table
        b"A\x00\x01\x00\x00" * 5000,  # five thousand levels deep
        b"D\xff\x7f\xff\xff\xff",  # a decimal with 255 places
    ],
    ids=["type", "date", "size", "depth", "decimal"],
)
def test_headers_that_cannot_be_read_hide_nothing_else(value: bytes) -> None:
    taken = Taken()
    method = frame.Method(1, spec.Basic.Deliver("queue", 1, redelivered=False, exchange="", routing_key="k")).marshal()
    table = b"\x01h" + value
    flags = 1 << 13 | 1 << 7 | 1 << 4
    properties = struct.pack(">I", len(table)) + table + b"\x01a" + b"\x06issuer"
    header = struct.pack(">HHQH", 60, 0, 4, flags) + properties
    assert taken._inbox.take(1, method[7:-1])
    assert taken._inbox.take(2, header)
    assert taken._inbox.take(3, b"body")
    (_, message) = taken.delivered[0]
    assert (message.body, message.message_id, message.user_id) == (b"body", "a", "issuer")


def test_a_message_with_broken_properties_is_shown_without_them() -> None:
    taken = Taken()
    method = frame.Method(1, spec.Basic.Deliver("queue", 1, redelivered=False, exchange="", routing_key="k")).marshal()
    header = bytearray(frame.Header(1, 4, spec.BasicProperties(headers={"unit": "LCA"}, message_id="a")).marshal())
    header[header.index(b"\x04unit") - 4 : header.index(b"\x04unit")] = b"\xff" * 4  # a table without end
    with capture_logs() as logs:
        for data in (method, bytes(header), frame.Body(1, b"body").marshal()):
            assert taken._inbox.take(data[0], data[7:-1])
    assert {entry["event"] for entry in logs} == {Event.PROPERTIES_UNREADABLE}
    (_, message) = taken.delivered[0]
    assert (message.body, message.message_id, message.headers) == (b"body", "", {})


@given(body=st.binary(max_size=60), parts=st.integers(1, 4), after=st.binary(max_size=30))
def test_of_a_body_that_is_too_long_its_size_is_kept_and_the_next_message_is_whole(
    body: bytes, parts: int, after: bytes
) -> None:
    taken = Taken(most=30)
    for tag, content in enumerate((body, after)):
        method = frame.Method(1, spec.Basic.Deliver("queue", tag, False, "", "key"))  # noqa: FBT003 - pika's signature
        header = frame.Header(1, len(content), spec.BasicProperties(message_id="a", headers={"unit": "LCA"}))
        assert taken.feed(method, header, *bodies(content, parts))
    (_, first), (_, second) = taken.delivered
    kept = (body, 0) if len(body) <= 30 else (b"", len(body))
    assert (first.body, first.left_out) == kept
    assert (first.message_id, first.headers) == ("a", {"unit": "LCA"})
    assert (second.body, second.left_out) == (after, 0)
    if first.left_out:
        with pytest.raises(InvalidError, match=f"is {len(body)} bytes"):
            first.require_whole("message")


def test_of_properties_that_are_too_large_the_first_headers_are_kept_cut_short() -> None:
    headers = {"unit": "LCA.02", "seq": 7, "long": "x" * 9000, "deep": [[1] * 500], **{f"h{n}": n for n in range(500)}}
    taken = Taken()
    method = frame.Method(1, spec.Basic.Deliver("queue", 1, False, "", "key"))  # noqa: FBT003 - pika's signature
    properties = spec.BasicProperties(headers=headers, message_id="a", user_id="u")
    assert taken.feed(method, frame.Header(1, 0, properties))
    (_, message) = taken.delivered[0]
    assert (message.message_id, message.user_id) == ("a", "u")
    assert len(message.headers) == 20
    assert {name: message.headers[name] for name in ("unit", "seq", "deep")} == {
        "unit": "LCA.02",
        "seq": 7,
        "deep": "(list of 1)",
    }
    assert message.headers["long"] == "x" * 300


@given(
    wanted=st.integers(1, 5000),
    size=st.integers(1, 2**21),
    queues=st.integers(0, 500),
    most=st.integers(2**21, 2**28),
)
def test_what_is_taken_ahead_stays_within_its_bytes_and_never_stops(
    wanted: int, size: int, queues: int, most: int
) -> None:
    prefetch = bounded_prefetch(wanted, size, queues, most)
    assert 1 <= prefetch <= wanted
    assert prefetch == 1 or prefetch * queues * size <= most
