"""Whatever a sender puts into a message's properties: it ends in the queue dead, once, and harms no other."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from statistics import median
from typing import Any

import pika
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pika.adapters.blocking_connection import BlockingChannel

from router.broker import Delivered, PublishOutcome, Session, dead_letter
from router.broker.direct_reply import is_direct_reply
from support.amqp import administrator, take
from support.broker import Vhost, call
from support.conditions import holds
from support.sessions import declare, depth, letters, on, session_on

NO_UTF8 = b"\xff" * 255
DEEP: list[Any] = []
for _ in range(300):
    DEEP = [DEEP]
KINDS: dict[str, dict[str, Any]] = {
    "message_id": {"message_id": NO_UTF8},
    "type": {"type": NO_UTF8},
    "correlation_id": {"correlation_id": NO_UTF8},
    "reply_to": {"reply_to": NO_UTF8},
    "app_id": {"app_id": NO_UTF8},
    "cluster_id": {"cluster_id": NO_UTF8},
    "content_type": {"content_type": NO_UTF8},
    "content_encoding": {"content_encoding": NO_UTF8},
    "expiration": {"expiration": "4294967295"},
    "priority": {"priority": 255},
    "timestamp": {"timestamp": 2**64 - 1},
    "a large header": {"headers": {"a": "x" * 120_000}},
    "many headers": {"headers": {f"h{n}": n for n in range(8000)}},
    "no UTF-8 in a header": {"headers": {"a": NO_UTF8}},
    "a header's odd name": {"headers": {b"\xff\x00": 1, "": 2, "CC": ["no.queue"], "x-death": [{"count": 1}]}},
    "nested tables": {"headers": {"a": {"b": {"c": [1, {"d": None}]}}}},
    "a deep array": {"headers": {"a": DEEP}},
    "a decimal": {"headers": {"a": Decimal("1.5")}},
    "a date": {"headers": {"a": datetime(9999, 1, 1, tzinfo=UTC)}},
    "bytes": {"headers": {"a": b"\x00\xff"}},
    "null": {"headers": {"a": None}},
    "a large number": {"headers": {"a": 2**63 - 1}},
}
SHORT = st.one_of(st.binary(max_size=255), st.text(max_size=60))
VALUES = st.recursive(
    st.one_of(st.text(max_size=300), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.none(), st.binary()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=40), inner, max_size=4),
)
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("message_id", "type", "correlation_id", "reply_to", "app_id", "cluster_id"), SHORT),
        **dict.fromkeys(("content_type", "content_encoding"), SHORT),
        "headers": st.dictionaries(st.text(max_size=40).filter(lambda name: name not in {"CC", "BCC"}), VALUES),
        "priority": st.integers(0, 255),
        "timestamp": st.integers(0, 2**64 - 1),
        "expiration": st.integers(60_000, 2**32 - 1).map(str),
        "delivery_mode": st.sampled_from([1, 2]),
    },
)


@pytest.fixture
async def session(vhost: Vhost) -> AsyncIterator[Session]:
    declare(vhost, "unit.A", **{"x-dead-letter-strategy": "at-least-once"})
    async with session_on(vhost) as made:
        yield made


def send(channel: BlockingChannel, queue: str, body: bytes, properties: dict[str, Any]) -> None:
    channel.basic_publish("", queue, body, pika.BasicProperties(**properties), mandatory=True)


def send_all(vhost: Vhost, bodies: Sequence[bytes], properties: Sequence[dict[str, Any]] = ()) -> None:
    with administrator(vhost).channel() as channel:
        for number, body in enumerate(bodies):
            send(channel, "unit.A", body, properties[number] if properties else {})


class Careful:
    """A handler that notes what is good and puts everything else aside, as ours do."""

    def __init__(self, session: Session) -> None:
        self._publisher = session.publisher()
        self.at: dict[bytes, float] = {}
        self.calls = 0

    async def __call__(self, batch: Sequence[Delivered]) -> Collection[int]:
        self.calls += 1
        self.at.update({item.body: time.monotonic() for item in batch if item.body.startswith(b"good")})
        bad = [index for index, item in enumerate(batch) if not item.body.startswith(b"good")]
        left = await dead_letter(self._publisher, [(batch[index], "bad") for index in bad])
        return [bad[place] for place in left]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_message_of_any_kind_is_put_aside_once(vhost: Vhost, session: Session, kind: str) -> None:
    handler = Careful(session)
    session.consume(["unit.A"], handler, prefetch=10)
    on(vhost, lambda channel: send(channel, "unit.A", b"bad", KINDS[kind]))
    await holds(lambda: depth(vhost, "dead") == 1)
    await session.close()
    assert handler.calls == 1
    assert depth(vhost, "unit.A") == 0
    with administrator(vhost).channel() as channel:
        properties, body = take(channel, "dead")
    assert (body, properties.headers["reason"], properties.headers["queue"]) == (b"bad", "bad", "unit.A")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=st.lists(PROPERTIES, min_size=1, max_size=10))
async def test_whatever_the_properties_hold_the_copy_is_in_dead(
    vhost: Vhost, session: Session, sent: list[dict[str, Any]]
) -> None:
    before = depth(vhost, "dead")
    send_all(vhost, [b"bad"] * len(sent), sent)
    if not before:
        session.consume(["unit.A"], Careful(session), prefetch=20)
    await holds(lambda: depth(vhost, "dead") == before + len(sent))


async def test_a_dead_that_takes_nothing_harms_nobody_and_nothing_is_lost(vhost: Vhost, session: Session) -> None:
    on(vhost, lambda channel: channel.queue_delete("dead"))
    handler = Careful(session)
    session.consume(["unit.A"], handler, prefetch=10, linger=0.3)
    send_all(vhost, [b"good-1", b"bad", b"good-2"])
    await holds(lambda: handler.at.keys() == {b"good-1", b"good-2"})
    # The broker holds it back and tries `dead` again every three minutes.
    where = f"queues/{vhost.name}?disable_stats=true&enable_queue_totals=true"
    await holds(
        lambda: {item["name"]: item["messages"] for item in json.loads(call(vhost, "GET", where))} == {"unit.A": 1}
    )
    assert depth(vhost, "unit.A") == 0, "nobody gets it again"
    assert handler.calls == 1


async def test_a_thousand_good_ones_do_not_notice_one_bad_one_of_each_kind(vhost: Vhost, session: Session) -> None:
    handler = Careful(session)
    session.consume(["unit.A"], handler, prefetch=200)

    async def run(name: str, poison: list[dict[str, Any]]) -> float:
        sent: dict[bytes, float] = {}
        places = {(number + 1) * 1000 // (len(poison) + 1): bad for number, bad in enumerate(poison)}

        def fill(channel: BlockingChannel) -> None:
            for number in range(1000):
                if number in places:
                    send(channel, "unit.A", b"bad", places[number])
                body = f"good-{name}-{number}".encode()
                sent[body] = time.monotonic()
                send(channel, "unit.A", body, {"message_id": str(number)})

        await asyncio.to_thread(on, vhost, fill)
        await holds(lambda: sent.keys() <= handler.at.keys())
        return median(handler.at[body] - at for body, at in sent.items())

    await run("warm", [])
    without = min([await run(f"a{number}", []) for number in range(3)])
    beside = min([await run(f"b{number}", list(KINDS.values())) for number in range(3)])
    assert beside <= 1.5 * without, (beside, without)
    await holds(lambda: depth(vhost, "dead") == 3 * len(KINDS))


async def test_one_that_its_handler_fails_at_is_found_among_many_and_at_last_put_aside(
    vhost: Vhost, session: Session
) -> None:
    done: list[bytes] = []

    async def fragile(batch: Sequence[Delivered]) -> Collection[int]:
        if any(item.body == b"bad" for item in batch):
            raise ZeroDivisionError
        done.extend(item.body for item in batch)
        return ()

    apart: list[str] = []
    consumer = session.consume(["unit.A"], fragile, prefetch=50, linger=0.1, passing=(), on_apart=apart.append)
    send_all(vhost, [b"a"] * 20 + [b"bad"] + [b"b"] * 20)
    await holds(lambda: sorted(done) == [b"a"] * 20 + [b"b"] * 20)
    assert consumer.set_apart == 1

    async def is_put_aside() -> bool:
        await asyncio.to_thread(send_all, vhost, [b"c"])
        return depth(vhost, "dead") == 1

    await holds(is_put_aside)
    assert consumer.set_apart == 0
    assert set(apart) == {"unit.A"}


async def test_an_answer_to_a_forged_direct_reply_costs_no_connection(session: Session) -> None:
    forged = "amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMzQxMzg4MzYAAAuXAAAAAGsLNWQ=.MgY3NHAL2I335VmcBwFyxQ=="
    assert is_direct_reply(forged)
    publisher = session.publisher()
    await holds(publisher.attached.is_set)
    assert await publisher.publish(letters(forged, 1)) == [PublishOutcome.RETURNED]
    assert await publisher.publish(letters("unit.A", 1)) == [PublishOutcome.CONFIRMED]
