import asyncio
from collections.abc import AsyncIterator, Collection, Sequence

import pytest
from pika import spec
from structlog.testing import capture_logs

from router.broker import Delivered, Outgoing, PublishOutcome, Session, SessionState, Template, Tuning, dead_letter
from router.broker.message import PROPERTIES_BYTES
from schemas.events import Event
from support.amqp import administrator, take
from support.broker import Vhost
from support.conditions import holds
from support.sessions import Keeper, declare, depth, letters, on, session_on


@pytest.fixture
async def session(vhost: Vhost) -> AsyncIterator[Session]:
    declare(vhost, "unit.A", "unit.B")
    async with session_on(vhost) as made:
        yield made


async def fill(session: Session, queue: str, count: int, *, first: int = 0) -> None:
    assert set(await session.publisher().publish(letters(queue, count, first=first))) == {PublishOutcome.CONFIRMED}


async def test_a_handled_message_is_gone_from_its_queue(vhost: Vhost, session: Session) -> None:
    await fill(session, "unit.A", 700)
    keeper = Keeper()
    session.consume(["unit.A"], keeper, prefetch=200)
    await holds(lambda: len(keeper.messages) == 700)
    await session.close()
    assert keeper.ids == [f"unit.A-{n}" for n in range(700)]
    assert keeper.most_running == 1
    assert depth(vhost, "unit.A") == 0


async def test_what_is_received_is_what_was_sent(vhost: Vhost, session: Session) -> None:
    message = Outgoing(
        Template("", "descriptor", b"body", {"traceparent": "00"}, reply_to="answers"), "unit.A", "id", {"seq": 3}, "c"
    )
    keeper = Keeper()
    session.consume(["unit.A"], keeper, prefetch=10)
    await session.publisher().publish([message])
    await holds(lambda: keeper.messages == [
        Delivered(
            body=b"body", queue="unit.A", routing_key="unit.A", message_id="id", type="descriptor", user_id=vhost.user,
            headers={"traceparent": "00", "seq": 3}, reply_to="answers", correlation_id="c", redelivered=False,
        )
    ])  # fmt: skip


async def test_a_queue_that_rests_costs_nothing_and_gives_back_what_was_sent_ahead(
    vhost: Vhost, session: Session
) -> None:
    held = asyncio.Event()

    async def slow(batch: Sequence[Delivered]) -> Collection[int]:
        await held.wait()
        return await keeper(batch)

    keeper = Keeper()
    await fill(session, "unit.A", 20)
    consumer = session.consume(["unit.A", "unit.B"], slow, prefetch=5)
    await holds(lambda: depth(vhost, "unit.A") < 20)
    consumer.rest(["unit.A"])
    await holds(lambda: depth(vhost, "unit.A") == 20)
    held.set()
    await fill(session, "unit.B", 3)
    await holds(lambda: sum(name.startswith("unit.B") for name in keeper.ids) == 3)
    seen = sum(name.startswith("unit.A") for name in keeper.ids)
    await fill(session, "unit.A", 5, first=20)
    await holds(lambda: depth(vhost, "unit.A") == 25)
    assert sum(name.startswith("unit.A") for name in keeper.ids) == seen
    consumer.rest([])
    await holds(lambda: {f"unit.A-{n}" for n in range(25)} <= set(keeper.ids))


async def test_what_waits_for_a_handler_that_is_held_up_is_bounded_however_often_channels_change(
    vhost: Vhost, session: Session
) -> None:
    held, waiting = asyncio.Event(), asyncio.Event()

    async def slow(batch: Sequence[Delivered]) -> Collection[int]:
        waiting.set()
        await held.wait()
        return await keeper(batch)

    keeper = Keeper()
    await fill(session, "unit.A", 60)
    consumer = session.consume(["unit.A"], slow, prefetch=20, linger=0)
    await waiting.wait()
    states: list[SessionState] = []
    session.on_state(states.append)
    consumer.rest(["unit.A"])
    await holds(lambda: depth(vhost, "unit.A") == 60)
    assert not consumer._arrivals
    consumer.rest([])
    for connections in range(3):
        await holds(lambda: sum(arrival.subscription.is_open for arrival in consumer._arrivals) == 20)
        assert len(consumer._arrivals) == 20
        session.renew()
        await holds(lambda: states.count(SessionState.UP) > connections)  # noqa: B023 - awaited here
    held.set()
    await holds(lambda: set(keeper.ids) == {f"unit.A-{number}" for number in range(60)})
    await holds(lambda: depth(vhost, "unit.A") == 0)


async def test_a_queue_rests_from_the_start_and_after_a_recovery(vhost: Vhost, session: Session) -> None:
    keeper = Keeper()
    await fill(session, "unit.A", 4)
    consumer = session.consume(["unit.A", "unit.B"], keeper, prefetch=5, resting=["unit.A"])
    await consumer.attached.wait()
    states: list[SessionState] = []
    session.on_state(states.append)
    session.renew()
    await holds(lambda: states[-1:] == [SessionState.UP])
    await fill(session, "unit.B", 1)
    await holds(lambda: keeper.ids == ["unit.B-0"])
    assert depth(vhost, "unit.A") == 4
    consumer.rest(["unit.B"])
    await holds(lambda: len(keeper.ids) == 5)


async def test_what_is_rejected_ends_in_the_dead_queue_and_the_rest_is_acknowledged(
    vhost: Vhost, session: Session
) -> None:
    await fill(session, "unit.A", 10)
    keeper = Keeper(reject={"unit.A-0", "unit.A-4", "unit.A-9"})
    session.consume(["unit.A"], keeper, prefetch=10)
    await holds(lambda: len(keeper.messages) == 10)
    await holds(lambda: depth(vhost, "dead") == 3)
    await session.close()
    assert depth(vhost, "unit.A") == 0
    with administrator(vhost).channel() as channel:
        assert {take(channel, "dead")[0].message_id for _ in range(3)} == {"unit.A-0", "unit.A-4", "unit.A-9"}


async def test_a_handler_that_fails_gets_the_whole_batch_again(vhost: Vhost, session: Session) -> None:
    await fill(session, "unit.A", 20)
    keeper = Keeper()
    keeper.fail_next = 2
    with capture_logs() as logs:
        session.consume(["unit.A"], keeper, prefetch=20, linger=0.2)
        await holds(lambda: len(keeper.messages) == 60)
        await session.close()
    assert [{message.message_id for message in batch} for batch in keeper.batches] == [
        {f"unit.A-{n}" for n in range(20)}
    ] * 3
    assert [message.redelivered for batch in keeper.batches for message in batch] == [False] * 20 + [True] * 40
    assert sum(entry["event"] == Event.HANDLER_FAILED for entry in logs) == 2
    assert depth(vhost, "unit.A") == depth(vhost, "dead") == 0


async def test_a_handler_that_rejects_what_it_was_not_given_has_failed(vhost: Vhost, session: Session) -> None:
    await fill(session, "unit.A", 3)
    answers = [[7], [0, 1, 2]]

    async def confused(_batch: object) -> list[int]:
        return answers.pop(0)

    session.consume(["unit.A"], confused, prefetch=3, linger=0.2)
    await holds(lambda: depth(vhost, "dead") == 3)
    assert not answers


async def test_no_more_than_the_prefetch_is_held(vhost: Vhost, session: Session) -> None:
    await fill(session, "unit.A", 100)
    await fill(session, "unit.B", 5)
    keeper = Keeper()
    keeper.gate.clear()
    session.consume(["unit.A", "unit.B"], keeper, prefetch=10)
    await holds(lambda: depth(vhost, "unit.A") == 90 and depth(vhost, "unit.B") == 0)
    assert len(keeper.messages) <= 15
    keeper.gate.set()
    await holds(lambda: len(keeper.messages) == 105)
    assert keeper.most_running == 1
    assert all(len(batch) <= 20 for batch in keeper.batches)


async def test_no_more_bytes_are_held_than_the_bound_and_a_message_that_is_too_large_goes_aside_whole(
    vhost: Vhost,
) -> None:
    declare(vhost, "unit.A")
    size = 10_000
    async with session_on(vhost, tuning=Tuning(unacked_bytes=10 * (size + PROPERTIES_BYTES))) as session:
        publisher = session.publisher()
        sent = [Outgoing(Template("", "letter", bytes(size)), "unit.A", f"{number}") for number in range(40)]
        large = Outgoing(Template("", "letter", bytes(size + 1)), "unit.A", "large")
        assert set(await publisher.publish([large, *sent])) == {PublishOutcome.CONFIRMED}
        keeper = Keeper()
        keeper.gate.clear()

        async def picky(batch: Sequence[Delivered]) -> Collection[int]:
            await keeper(batch)
            bad = [index for index, message in enumerate(batch) if message.left_out]
            return [bad[at] for at in await dead_letter(publisher, [(batch[index], "too large") for index in bad])]

        session.consume(["unit.A"], picky, prefetch=500, message_bytes=size)
        await holds(lambda: depth(vhost, "unit.A") == 31)
        keeper.gate.set()
        await holds(lambda: depth(vhost, "dead") == 1 and len(keeper.messages) == 41)
    assert {len(message.body) for message in keeper.messages if not message.left_out} == {size}
    with administrator(vhost).channel() as channel:
        properties, body = take(channel, "dead")
    assert (properties.message_id, len(body)) == ("large", size + 1)


async def test_while_a_batch_is_handled_the_next_one_gathers(session: Session) -> None:
    await fill(session, "unit.A", 1)
    keeper = Keeper()
    keeper.gate.clear()
    consumer = session.consume(["unit.A"], keeper, prefetch=1000, max_batch=100)
    await holds(lambda: len(keeper.batches) == 1)
    await fill(session, "unit.A", 250, first=1)
    await holds(lambda: len(consumer._arrivals) == 250)
    keeper.gate.set()
    await holds(lambda: len(keeper.messages) == 251)
    assert [len(batch) for batch in keeper.batches] == [1, 100, 100, 50]


async def test_hundreds_of_queues_share_one_channel_and_one_handler(vhost: Vhost, session: Session) -> None:
    queues = [f"many.{n}" for n in range(300)]
    on(vhost, lambda channel: [channel.queue_declare(queue) for queue in queues])
    keeper = Keeper()
    consumer = session.consume(queues, keeper, prefetch=5)
    messages = [message for queue in queues for message in letters(queue, 2)]
    assert set(await session.publisher().publish(messages)) == {PublishOutcome.CONFIRMED}
    await holds(lambda: len(keeper.messages) == 600)
    assert set(keeper.ids) == {message.message_id for message in messages}
    assert len(set(consumer._places.values())) == 1


async def test_a_missing_queue_is_tried_until_it_is_there_and_disturbs_nobody(vhost: Vhost, session: Session) -> None:
    keeper = Keeper()
    with capture_logs() as logs:
        consumer = session.consume(["unit.A", "late.1", "unit.B", "late.2"], keeper, prefetch=10)
        await fill(session, "unit.A", 1)
        await fill(session, "unit.B", 1)
        await holds(lambda: sorted(keeper.ids) == ["unit.A-0", "unit.B-0"])
        place = consumer._places["unit.A"]
        await holds(lambda: any(entry["event"] == Event.QUEUES_MISSING for entry in logs))
        declare(vhost, "late.1", "late.2")
        await fill(session, "late.1", 1)
        await fill(session, "late.2", 1)
        await fill(session, "unit.A", 1, first=1)
        await holds(lambda: len(keeper.ids) == 5)
    assert consumer._places["unit.A"] is consumer._places["unit.B"] is place
    assert not consumer._missing
    assert {tuple(entry["queues"]) for entry in logs if entry["event"] == Event.QUEUES_MISSING} == {
        ("late.1", "late.2")
    }


async def test_a_queue_that_is_not_allowed_is_found_among_many_and_disturbs_nobody(
    vhost: Vhost, session: Session
) -> None:
    queues = [f"many.{n}" for n in range(20)]
    on(vhost, lambda channel: [channel.queue_declare(queue) for queue in queues])
    with administrator(vhost).channel() as channel, capture_logs() as logs:
        channel.basic_consume("many.13", lambda *_: None, exclusive=True)
        keeper = Keeper()
        session.consume(queues, keeper, prefetch=5)
        await session.publisher().publish([message for queue in queues for message in letters(queue, 1)])
        await holds(lambda: set(keeper.ids) == {f"{queue}-0" for queue in queues} - {"many.13-0"})
    refused = [entry for entry in logs if entry["event"] == Event.QUEUE_REFUSED]
    assert {entry["queue"] for entry in refused} == {"many.13"}
    assert "exclusive" in refused[0]["reason"]
    await holds(lambda: "many.13-0" in keeper.ids)


async def test_a_queue_that_is_deleted_and_made_again_is_consumed_again(vhost: Vhost, session: Session) -> None:
    keeper = Keeper()
    consumer = session.consume(["unit.A", "unit.B"], keeper, prefetch=10)
    await fill(session, "unit.A", 1)
    await holds(lambda: keeper.ids == ["unit.A-0"])
    with capture_logs() as logs:
        on(vhost, lambda channel: channel.queue_delete("unit.A"))
        await holds(lambda: any(entry["event"] == Event.CONSUMER_CANCELLED for entry in logs))
        await fill(session, "unit.B", 1)
        declare(vhost, "unit.A")
        await fill(session, "unit.A", 1, first=1)
        await holds(lambda: sorted(keeper.ids) == ["unit.A-0", "unit.A-1", "unit.B-0"])
    assert len(set(consumer._places.values())) == 2


async def test_a_channel_closed_by_the_broker_is_replaced_and_its_tags_are_never_acknowledged(
    vhost: Vhost, session: Session
) -> None:
    await fill(session, "unit.A", 10)
    keeper = Keeper()
    keeper.gate.clear()
    consumer = session.consume(["unit.A"], keeper, prefetch=10, linger=0.2)
    await holds(lambda: len(keeper.messages) == 10)
    publisher = session.publisher()
    place = consumer._places["unit.A"]
    with capture_logs() as logs:
        place.channel.tell([spec.Basic.Ack(4711)])  # a tag that does not exist: the broker closes the channel
        await holds(lambda: not place.is_open)
        assert await publisher.publish(letters("unit.B", 1)) == [PublishOutcome.CONFIRMED]
        await holds(lambda: "unit.A" in consumer._places and consumer._places["unit.A"] is not place)
        keeper.gate.set()
        await holds(lambda: len(keeper.messages) == 20)
        await session.close()
    assert [entry["messages"] for entry in logs if entry["event"] == Event.STALE_ACKS_DROPPED] == [10]
    assert {message.redelivered for message in keeper.messages[10:]} == {True}
    assert set(keeper.ids[10:]) == {f"unit.A-{n}" for n in range(10)}
    assert depth(vhost, "unit.A") == 0


async def test_what_cannot_be_parsed_is_put_aside_with_its_reason_and_its_sender(
    vhost: Vhost, session: Session
) -> None:
    publisher = session.publisher()

    async def picky(batch: object) -> tuple[int, ...]:
        assert isinstance(batch, list)
        await dead_letter(publisher, [(message, "not JSON: " + "x" * 5000) for message in batch])
        return ()

    session.consume(["unit.A"], picky, prefetch=10)
    message = Outgoing(Template("", "submission", b"{nonsense", {"traceparent": "00"}), "unit.A", "key-1")
    assert await publisher.publish([message]) == [PublishOutcome.CONFIRMED]
    await holds(lambda: depth(vhost, "dead") == 1)
    await session.close()
    assert depth(vhost, "unit.A") == 0
    with administrator(vhost).channel() as channel:
        properties, body = take(channel, "dead")
    assert (body, properties.message_id, properties.type) == (b"{nonsense", "key-1", "submission")
    assert properties.headers["reason"].startswith("not JSON: xxx")
    assert len(properties.headers["reason"]) == 1000
    told = {name: properties.headers[name] for name in ("traceparent", "routing_key", "queue", "user")}
    assert told == {"traceparent": "00", "routing_key": "unit.A", "queue": "unit.A", "user": vhost.user}


async def test_closing_waits_for_the_batch_in_work_and_acknowledges_it(vhost: Vhost, session: Session) -> None:
    await fill(session, "unit.A", 5)
    keeper = Keeper()
    keeper.gate.clear()
    session.consume(["unit.A"], keeper, prefetch=5, linger=0.2)
    await holds(lambda: len(keeper.messages) == 5)
    closing = asyncio.create_task(session.close(20))
    await holds(lambda: True)
    assert not closing.done()
    keeper.gate.set()
    await closing
    assert depth(vhost, "unit.A") == 0


async def test_closing_waits_for_confirms_that_the_batch_in_work_needs(vhost: Vhost, session: Session) -> None:
    await fill(session, "unit.A", 5)
    publisher = session.publisher()
    entered, gate = asyncio.Event(), asyncio.Event()
    outcomes: list[PublishOutcome] = []

    async def forward(_batch: object) -> tuple[int, ...]:
        entered.set()
        await gate.wait()
        outcomes.extend(await publisher.publish(letters("unit.B", 5)))
        return ()

    session.consume(["unit.A"], forward, prefetch=5, linger=0.2)
    await entered.wait()
    closing = asyncio.create_task(session.close(20))
    await asyncio.sleep(0)
    gate.set()
    await closing
    assert outcomes == [PublishOutcome.CONFIRMED] * 5
    assert await publisher.publish(letters("unit.B", 1)) == [PublishOutcome.LOST]
    assert (depth(vhost, "unit.A"), depth(vhost, "unit.B")) == (0, 5)


async def test_closing_cuts_off_a_batch_that_does_not_end_and_it_returns(vhost: Vhost, session: Session) -> None:
    await fill(session, "unit.A", 5)
    keeper = Keeper()
    keeper.gate.clear()
    session.consume(["unit.A"], keeper, prefetch=5, linger=0.2)
    await holds(lambda: len(keeper.messages) == 5)
    with capture_logs() as logs:
        await session.close(0.2)
    assert Event.SESSION_CUT_OFF in [entry["event"] for entry in logs]
    await holds(lambda: depth(vhost, "unit.A") == 5)


async def test_closing_during_the_pause_after_a_failure_returns_the_batch_at_once(vhost: Vhost) -> None:
    declare(vhost, "unit.A")
    async with session_on(vhost, tuning=Tuning(handler_pause_first=300, handler_pause_longest=600)) as session:
        await fill(session, "unit.A", 5)
        keeper = Keeper()
        keeper.fail_next = 1
        session.consume(["unit.A"], keeper, prefetch=5, linger=0.2)
        with capture_logs() as logs:
            await holds(lambda: Event.HANDLER_FAILED in [entry["event"] for entry in logs])
        await session.close(10)
    await holds(lambda: depth(vhost, "unit.A") == 5)
