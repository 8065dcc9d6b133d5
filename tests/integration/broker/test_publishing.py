import asyncio
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from rig.proxy import Proxy
from router.broker import EncodingError, Outgoing, PublishOutcome, Session, Template, Tuning
from schemas.events import Event
from support.amqp import administrator, take
from support.broker import Vhost
from support.conditions import holds
from support.sessions import QUICK, Keeper, declare, depth, letters, on, session_on

CALM = Tuning(pause_first=0.02, pause_longest=0.2)


@pytest.fixture
async def session(vhost: Vhost) -> AsyncIterator[Session]:
    declare(vhost, "unit.A", "unit.B")
    async with session_on(vhost) as made:
        yield made


async def test_a_confirmed_message_is_in_its_queue_as_it_was_sent(vhost: Vhost, session: Session) -> None:
    template = Template("", "descriptor", b'{"v":1}', {"traceparent": "00-1"}, reply_to="answers")
    message = Outgoing(template, "unit.A", "id-1", {"unit": "LCA.02", "seq": 2**40}, correlation_id="c")
    assert await session.publisher().publish([message]) == [PublishOutcome.CONFIRMED]
    with administrator(vhost).channel() as channel:
        properties, body = take(channel, "unit.A")
    assert body == b'{"v":1}'
    del properties.headers["x-delivery-count"]  # a quorum queue's own
    assert properties.headers == {"traceparent": "00-1", "unit": "LCA.02", "seq": 2**40}
    assert (properties.user_id, properties.delivery_mode) == (vhost.user, 2)
    assert (properties.message_id, properties.type, properties.content_type) == (
        "id-1",
        "descriptor",
        "application/json",
    )
    assert (properties.reply_to, properties.correlation_id) == ("answers", "c")


async def test_a_body_larger_than_a_frame_arrives_whole(vhost: Vhost, session: Session) -> None:
    body = bytes(range(256)) * 2000
    message = Outgoing(Template("", "t", body), "unit.A", "large")
    assert await session.publisher().publish([message]) == [PublishOutcome.CONFIRMED]
    with administrator(vhost).channel() as channel:
        assert take(channel, "unit.A")[1] == body


async def test_what_no_queue_is_bound_for_is_returned_and_nothing_else(vhost: Vhost, session: Session) -> None:
    messages = letters("unit.A", 300)
    for index in (0, 7, 8, 150, 299):
        messages[index] = Outgoing(messages[index].template, "nowhere", messages[index].message_id)
    outcomes = await session.publisher().publish(messages)
    assert [index for index, outcome in enumerate(outcomes) if outcome is PublishOutcome.RETURNED] == [
        0,
        7,
        8,
        150,
        299,
    ]
    assert outcomes.count(PublishOutcome.CONFIRMED) == 295
    assert depth(vhost, "unit.A") == 295


async def test_what_need_not_be_routed_is_confirmed_without_a_queue(session: Session) -> None:
    message = Outgoing(Template("", "t", b"", mandatory=False), "nowhere", "id")
    assert await session.publisher().publish([message]) == [PublishOutcome.CONFIRMED]


async def test_a_full_queue_nacks_what_it_cannot_take(vhost: Vhost, session: Session) -> None:
    declare(vhost, "small", **{"x-max-length": 1})
    outcomes = await session.publisher().publish(letters("small", 500))
    assert set(outcomes) == {PublishOutcome.CONFIRMED, PublishOutcome.NACKED}
    assert outcomes.count(PublishOutcome.CONFIRMED) >= depth(vhost, "small")


async def test_the_window_bounds_what_is_on_the_wire_over_all_callers(vhost: Vhost, session: Session) -> None:
    publisher = session.publisher(window=50)
    most = 0
    sent = publisher._confirms.sent

    def watched(message_id: str, ticket: object, deadline: float) -> int:
        nonlocal most
        number = sent(message_id, ticket, deadline)  # type: ignore[arg-type]
        most = max(most, len(publisher._confirms))
        return number

    publisher._confirms.sent = watched  # type: ignore[method-assign]
    calls = (publisher.publish(letters("unit.A", 400, first=400 * n)) for n in range(5))
    answers = await asyncio.gather(*calls)
    assert {outcome for outcomes in answers for outcome in outcomes} == {PublishOutcome.CONFIRMED}
    assert most == 50
    assert depth(vhost, "unit.A") == 2000


async def test_a_small_call_does_not_wait_for_a_large_one(session: Session) -> None:
    publisher = session.publisher(window=100)
    large = asyncio.create_task(publisher.publish(letters("unit.A", 20_000)))
    await holds(lambda: len(publisher._confirms) > 0)
    assert await publisher.publish(letters("unit.B", 1)) == [PublishOutcome.CONFIRMED]
    assert not large.done()
    assert set(await large) == {PublishOutcome.CONFIRMED}


async def test_one_call_is_sent_in_order(session: Session) -> None:
    await session.publisher(window=10).publish(letters("unit.A", 500))
    keeper = Keeper()
    session.consume(["unit.A"], keeper, prefetch=500)
    await holds(lambda: len(keeper.messages) == 500)
    assert keeper.ids == [f"unit.A-{n}" for n in range(500)]


async def test_a_message_that_amqp_cannot_carry_is_the_callers_error_and_sends_nothing(
    vhost: Vhost, session: Session
) -> None:
    bad = Outgoing(Template("", "t", b""), "k" * 300, "id")
    publisher = session.publisher()
    with pytest.raises(EncodingError):
        await publisher.publish([*letters("unit.A", 3), bad])
    assert depth(vhost, "unit.A") == 0


async def test_a_missing_exchange_costs_the_publisher_its_channel_and_the_consumer_nothing(
    session: Session,
) -> None:
    keeper = Keeper()
    consumer = session.consume(["unit.A"], keeper, prefetch=10)
    publisher, other = session.publisher(), session.publisher()
    await holds(lambda: bool(consumer._places))
    place = consumer._places["unit.A"]
    with capture_logs() as logs:
        assert await publisher.publish([Outgoing(Template("org.NONE", "t", b""), "k", "id")]) == [PublishOutcome.LOST]
        assert await publisher.publish(letters("unit.A", 1)) == [PublishOutcome.CONFIRMED]
    assert [entry["event"] for entry in logs] == [Event.CHANNEL_CLOSED]
    assert "org.NONE" in logs[0]["reason"]
    assert await other.publish(letters("unit.A", 1, first=1)) == [PublishOutcome.CONFIRMED]
    await holds(lambda: sorted(keeper.ids) == ["unit.A-0", "unit.A-1"])
    assert consumer._places["unit.A"] is place


async def test_a_publish_without_an_answer_times_out_and_its_late_confirm_is_ignored(vhost: Vhost) -> None:
    declare(vhost, "unit.A")
    async with Proxy(vhost.amqp_url) as proxy, session_on(vhost, url=proxy.url, tuning=CALM) as session:
        publisher = session.publisher(window=15, confirm_timeout=2.0)
        assert await publisher.publish(letters("unit.A", 1)) == [PublishOutcome.CONFIRMED]
        with capture_logs() as logs:
            proxy.hold()
            assert await publisher.publish(letters("unit.A", 20, first=1)) == [PublishOutcome.TIMED_OUT] * 20
            assert len(publisher._confirms) == 15, "what is on the wire counts until the broker has answered"
            proxy.release()
            await holds(lambda: any(entry["event"] == Event.CHANNEL_CLOSED for entry in logs))
        patient = session.publisher(window=15)
        assert await patient.publish(letters("unit.A", 30, first=21)) == [PublishOutcome.CONFIRMED] * 30
        await holds(lambda: publisher._channel is not None)
        assert len(publisher._confirms) == 0
    await holds(lambda: depth(vhost, "unit.A") == 1 + 15 + 30, what="what was on the wire is there, however late")


async def test_a_connection_whose_channel_does_not_even_close_is_made_anew(vhost: Vhost) -> None:
    declare(vhost, "unit.A")
    tuning = Tuning(answer_timeout=0.5, pause_first=0.02, pause_longest=0.2)
    async with Proxy(vhost.amqp_url) as proxy, session_on(vhost, url=proxy.url, tuning=tuning) as session:
        publisher = session.publisher(confirm_timeout=2.0)
        assert await publisher.publish(letters("unit.A", 1)) == [PublishOutcome.CONFIRMED]
        with capture_logs() as logs:
            proxy.hold()
            assert await publisher.publish(letters("unit.A", 1)) == [PublishOutcome.TIMED_OUT]
            await holds(lambda: any("has not answered" in str(entry.get("reason")) for entry in logs))
            proxy.release()
        await session.ready(30)
        assert await session.publisher().publish(letters("unit.A", 1)) == [PublishOutcome.CONFIRMED]


async def test_a_caller_who_leaves_does_not_hold_the_others_up(session: Session) -> None:
    publisher = session.publisher(window=10)
    leaving = asyncio.create_task(publisher.publish(letters("unit.A", 5000)))
    await holds(lambda: len(publisher._confirms) > 0)
    leaving.cancel()
    assert set(await publisher.publish(letters("unit.B", 50))) == {PublishOutcome.CONFIRMED}
    assert not publisher._queue
    assert not publisher._calls


async def test_after_a_cut_every_message_is_confirmed_or_lost_and_a_second_try_completes_it(vhost: Vhost) -> None:
    declare(vhost, "unit.A")
    messages = letters("unit.A", 3000, size=1000)
    async with Proxy(vhost.amqp_url) as proxy, session_on(vhost, url=proxy.url) as session:
        publisher = session.publisher(window=200)
        confirmed: set[str] = set()
        first = asyncio.create_task(publisher.publish(messages))
        await holds(lambda: publisher._confirms._next > 1000)
        proxy.cut()
        outcomes = await first
        assert set(outcomes) == {PublishOutcome.CONFIRMED, PublishOutcome.LOST}
        confirmed |= {m.message_id for m, outcome in zip(messages, outcomes, strict=True) if outcome == "confirmed"}
        await session.ready(30)
        rest = [message for message in messages if message.message_id not in confirmed]
        assert set(await publisher.publish(rest)) == {PublishOutcome.CONFIRMED}
        keeper = Keeper()
        session.consume(["unit.A"], keeper, prefetch=1000)
        await holds(lambda: set(keeper.ids) == {message.message_id for message in messages})


async def test_an_exchange_that_appears_later_is_published_to(vhost: Vhost, session: Session) -> None:
    publisher = session.publisher()
    message = Outgoing(Template("org.LCA", "t", b""), "LCA.02.normal", "id")
    assert await publisher.publish([message]) == [PublishOutcome.LOST]
    on(vhost, lambda channel: channel.exchange_declare("org.LCA", "topic"))
    on(vhost, lambda channel: channel.queue_bind("unit.A", "org.LCA", "LCA.02.normal"))
    assert await publisher.publish([message]) == [PublishOutcome.CONFIRMED]


async def test_a_slow_line_only_takes_longer(vhost: Vhost) -> None:
    declare(vhost, "unit.A")
    async with Proxy(vhost.amqp_url) as proxy, session_on(vhost, url=proxy.url, tuning=QUICK) as session:
        proxy.throttle(20_000)
        assert set(await session.publisher().publish(letters("unit.A", 50))) == {PublishOutcome.CONFIRMED}
