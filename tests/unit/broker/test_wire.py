from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import frame

from router.broker.errors import EncodingError
from router.broker.message import Outgoing, Template
from router.broker.wire import Framing, encode

LINE = Framing(channel=7, user="router", frame_max=131072)
SHORT = st.text(max_size=60)
VALUES = st.one_of(st.text(max_size=300), st.integers(-(2**63), 2**63 - 1), st.booleans())
HEADERS = st.dictionaries(st.text(min_size=1, max_size=40), VALUES, max_size=5)
TEMPLATES = st.builds(
    Template,
    exchange=SHORT,
    type=SHORT,
    body=st.binary(max_size=10_000),
    headers=HEADERS,
    mandatory=st.booleans(),
    content_type=SHORT,
    reply_to=SHORT,
    correlation_id=SHORT,
    timestamp_ms=st.none() | st.integers(0, 2**50),
)
MESSAGES = st.builds(
    Outgoing, template=TEMPLATES, routing_key=SHORT, message_id=SHORT, headers=HEADERS, correlation_id=SHORT
)


def frames_of(messages: Sequence[Outgoing], line: Framing = LINE) -> list[Any]:
    """What pika's own decoder reads from our bytes."""
    data = b"".join(encode(messages, line))
    frames = []
    while data:
        used, decoded = frame.decode_frame(data)
        assert used, "an incomplete frame"
        frames.append(decoded)
        data = data[used:]
    return frames


@given(MESSAGES)
def test_pika_reads_back_what_was_encoded(message: Outgoing) -> None:
    method, header, *bodies = frames_of([message])
    template = message.template
    assert (method.method.exchange, method.method.routing_key) == (template.exchange, message.routing_key)
    assert (method.method.mandatory, method.method.immediate) == (template.mandatory, False)
    properties = header.properties
    assert properties.headers == {**template.headers, **message.headers}
    assert properties.message_id == message.message_id
    assert (properties.user_id, properties.delivery_mode) == ("router", 2)
    assert (properties.type, properties.content_type) == (template.type or None, template.content_type or None)
    assert properties.reply_to == (template.reply_to or None)
    assert properties.correlation_id == (message.correlation_id or template.correlation_id or None)
    assert properties.timestamp == (None if template.timestamp_ms is None else template.timestamp_ms // 1000)
    assert header.body_size == len(template.body)
    assert b"".join(part.fragment for part in bodies) == template.body
    assert {part.channel_number for part in (method, header, *bodies)} == {7}


@given(st.lists(MESSAGES, max_size=5))
def test_messages_stand_one_after_the_other(messages: list[Outgoing]) -> None:
    ids = [part.properties.message_id for part in frames_of(messages) if isinstance(part, frame.Header)]
    assert ids == [message.message_id for message in messages]


@given(st.integers(0, 20_000), st.integers(4096, 8192))
def test_no_frame_is_larger_than_agreed(size: int, frame_max: int) -> None:
    message = Outgoing(Template("x", "t", b"b" * size), "key", "id")
    bodies = [part for part in frames_of([message], Framing(1, "u", frame_max)) if isinstance(part, frame.Body)]
    assert all(len(part.marshal()) <= frame_max for part in bodies)
    assert sum(len(part.fragment) for part in bodies) == size


def test_a_template_serves_several_channels_at_once() -> None:
    message = Outgoing(Template("x", "t", b"body"), "key", "id")
    for line in (LINE, Framing(2, "gateway:LCA.02", 4096), LINE):
        frames = frames_of([message], line)
        assert {part.channel_number for part in frames} == {line.channel}
        assert frames[1].properties.user_id == line.user


def test_a_template_is_encoded_once_for_all_its_messages() -> None:
    template = Template("x", "t", b"body", {"traceparent": "00"})
    first, second = encode([Outgoing(template, "a", "1"), Outgoing(template, "b", "2")], LINE)[1::2]
    assert first is second


@pytest.mark.parametrize(
    "message",
    [
        Outgoing(Template("x", "t", b""), "k" * 256, "id"),
        Outgoing(Template("x", "t", b""), "k", "đ" * 128),
        Outgoing(Template("x" * 256, "t", b""), "k", "id"),
        Outgoing(Template("x", "t", b"", {"n" * 256: 1}), "k", "id"),
        Outgoing(Template("x", "t", b"", {"at": 1.5}), "k", "id"),  # type: ignore[dict-item]
        Outgoing(Template("x", "t", b""), "k", "id", {"seq": 2**63}),
        Outgoing(Template("x", "t", b""), "k", "id", {"reason": "r" * 131072}),
    ],
)
def test_what_amqp_cannot_carry_is_refused_before_anything_is_sent(message: Outgoing) -> None:
    with pytest.raises(EncodingError):
        encode([message], LINE)
