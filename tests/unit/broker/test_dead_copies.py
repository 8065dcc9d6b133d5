"""A copy for the queue dead can be made of whatever a broker can deliver, and fits in the smallest frame of AMQP."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.broker import Delivered
from router.broker.dead import MAX_BODY, copy_of
from router.broker.wire import Framing, encode

SMALLEST_FRAME = 4096
LINE = Framing(channel=1, user="congvan-router", frame_max=SMALLEST_FRAME)
TEXTS = st.one_of(st.text(max_size=255), st.sampled_from(["\ufffd" * 255, "\ud800", "ễ" * 255, "\x00"]))
SCALARS = st.one_of(
    TEXTS,
    st.text(max_size=5000),
    st.integers(-(2**80), 2**80),
    st.binary(max_size=400),
    st.booleans(),
    st.none(),
    st.floats(),
    st.decimals(),
    st.datetimes().map(lambda at: at.replace(tzinfo=UTC)),
)
NAMES = st.one_of(TEXTS, st.binary(max_size=40), st.sampled_from(["CC", "BCC", "x-death", "x-delay", "reason", "user"]))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
HEADERS = st.dictionaries(NAMES, VALUES, max_size=40)
MESSAGES = st.builds(
    Delivered,
    body=st.binary(max_size=300),
    queue=TEXTS,
    routing_key=TEXTS,
    message_id=TEXTS,
    type=TEXTS,
    user_id=TEXTS,
    headers=HEADERS,
    reply_to=TEXTS,
    correlation_id=TEXTS,
    redelivered=st.booleans(),
)


@given(message=MESSAGES, reason=st.text(max_size=3000) | st.just("ễ\ud800" * 1500))
def test_any_message_has_a_copy_that_can_be_published(message: Delivered, reason: str) -> None:
    copy = copy_of(message, reason)
    assert encode([copy], LINE)
    assert copy.template.body == message.body
    assert not {"CC", "BCC"} & copy.template.headers.keys()
    assert not any(name.lower().startswith("x-") for name in copy.template.headers)


def test_what_is_right_with_a_message_is_in_its_copy_as_it_was() -> None:
    headers: dict[str, Any] = {"traceparent": "00-1", "seq": 7, "CC": ["LCA.02.express"], "reason": "mine"}
    copy = copy_of(message(headers=headers), "không đọc được")
    assert (copy.message_id, copy.template.type, copy.routing_key) == ("key-1", "submission", "intake")
    told = {"reason": "không đọc được", "routing_key": "intake", "queue": "intake", "user": "issuer:LCA"}
    kept = {"traceparent": "00-1", "seq": 7, "was-CC": "(list of 1)", "was-reason": "mine"}
    assert copy.template.headers == kept | told


def test_a_body_that_is_too_large_for_a_look_is_cut_and_told_by_its_hash() -> None:
    copy = copy_of(message(body=b"x" * (MAX_BODY + 1)), "too large")
    assert copy.template.body == b"x" * MAX_BODY
    assert copy.template.headers["body_bytes"] == MAX_BODY + 1
    assert len(str(copy.template.headers["body_sha256"])) == 64


@pytest.mark.parametrize("value", [datetime(9999, 12, 31, tzinfo=UTC), Decimal("1E+999"), float("nan"), 2**63, b"\xff"])
def test_odd_values_of_headers_are_shown_as_text(value: object) -> None:
    copy = copy_of(message(headers={"odd": value}), "bad")
    assert isinstance(copy.template.headers["odd"], str)


def message(*, body: bytes = b"{", headers: dict[str, Any] | None = None) -> Delivered:
    place, sender = "intake", "issuer:LCA"
    return Delivered(body, place, place, "key-1", "submission", sender, headers or {}, "", "", redelivered=False)
