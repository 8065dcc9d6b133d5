"""Whatever a message's properties hold, both doors put it aside and answer in a form that can be sent."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from router.broker import Delivered, Outgoing, PublishOutcome
from router.broker.wire import Framing, encode
from router.delivery.recorder import Recorder
from router.intake.amqp import IntakeDoor
from router.rules.schedule import Silence
from schemas.receipt import TYPE_GAP, TYPE_HELLO, TYPE_RECEIPTS

LINE = Framing(channel=1, user="congvan-router", frame_max=4096)
OWN = "upstream.issuer:LCA.replies"
TEXTS = st.one_of(st.text(max_size=255), st.sampled_from(["", "\ufffd" * 255, "ễ" * 86, "\x00"]))
HEADERS = st.dictionaries(
    st.text(max_size=60) | st.sampled_from(["CC", "BCC", "x-death", "traceparent"]),
    st.recursive(
        st.one_of(st.text(max_size=2000), st.integers(-(2**63), 2**63 - 1), st.none(), st.binary(max_size=300)),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=25,
)
MESSAGES = st.builds(
    Delivered,
    body=st.sampled_from([b"", b"{", b"[" * 3000, b"\xff", b"x" * 2_000_000, b"{}"]),
    queue=st.just("intake"),
    routing_key=TEXTS,
    message_id=TEXTS,
    type=TEXTS | st.sampled_from([TYPE_RECEIPTS, TYPE_GAP, TYPE_HELLO]),
    user_id=TEXTS | st.sampled_from(["gateway:LCA.02", "issuer:LCA"]),
    headers=HEADERS,
    reply_to=TEXTS | st.sampled_from([OWN, "amq.rabbitmq.reply-to.a.b"]),
    correlation_id=TEXTS,
    redelivered=st.booleans(),
)


class Carrier:
    """Takes what can be encoded, as a broker's channel would."""

    def __init__(self) -> None:
        self.taken: list[Outgoing] = []

    async def publish(self, messages: Sequence[Outgoing]) -> list[PublishOutcome]:
        encode(messages, LINE)
        self.taken.extend(messages)
        return [PublishOutcome.CONFIRMED] * len(messages)


class Unasked:
    async def accept(self, *_: Any, **__: Any) -> None:
        raise AssertionError("none of these is a submission")


@given(st.lists(MESSAGES, min_size=1, max_size=5))
async def test_every_message_is_put_aside_and_no_answer_fails_the_batch(batch: list[Delivered]) -> None:
    carrier = Carrier()
    recorder = Recorder(writer=None, publisher=carrier, silence=Silence())  # type: ignore[arg-type]
    assert not await recorder.handle(batch)
    assert len(carrier.taken) == len(batch)
    door = IntakeDoor(Unasked(), carrier)  # type: ignore[arg-type]
    assert not await door.handle(batch)
    copies = [item for item in carrier.taken if item.template.exchange == "dead"]
    assert len(copies) == 2 * len(batch)
    assert {item.routing_key for item in carrier.taken if item not in copies} <= {OWN}
