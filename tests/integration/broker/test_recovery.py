"""Every event that a session recovers from, at a real broker."""

import asyncio
import math
import random
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from structlog.testing import capture_logs

from rig.proxy import Proxy
from router.broker import BrokerUnavailableError, Outgoing, Publisher, PublishOutcome, Session, SessionState, Tuning
from router.broker import _node_config as config
from router.broker.node import NodeAddress
from schemas.events import Event
from support.broker import PatientNode, Vhost, fresh_vhost
from support.conditions import holds
from support.sessions import QUICK, Keeper, declare, depth, letters, session_on

FAST_HEARTBEAT = Tuning(heartbeat=1, pause_first=0.02, pause_longest=0.2)
NAME = "congvan-recovery"


@pytest.fixture(scope="module")
def own_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("own")


@pytest.fixture(scope="module")
def own_node(own_directory: Path) -> Iterator[PatientNode]:
    """A node that tests may stop, kill and starve."""
    node = PatientNode(own_directory, name=NAME)
    node.start()
    yield node
    node.kill()


@pytest.fixture
def own_vhost(own_node: PatientNode) -> Iterator[Vhost]:
    with fresh_vhost(own_node.start()) as made:
        yield made


async def until_confirmed(publisher: Publisher, messages: list[Outgoing], session: Session) -> int:
    """Publish again what is not confirmed, as an outbox does; returns how many rounds it took."""
    rounds = 0
    while messages:
        rounds += 1
        await session.ready(60)
        outcomes = await publisher.publish(messages)
        messages = [m for m, outcome in zip(messages, outcomes, strict=True) if outcome is not PublishOutcome.CONFIRMED]
    return rounds


async def test_a_broker_that_is_asked_for_a_sign_of_life_is_heard_at_once(vhost: Vhost) -> None:
    """An idle connection says nothing for 15 s; a heartbeat is acknowledged by the broker's machine at once."""
    async with session_on(vhost) as session:
        await holds(lambda: session.quiet > 0.3)
        session.ask_for_a_sign()
        await holds(lambda: session.quiet < 0.3)
    assert session.quiet == math.inf
    session.ask_for_a_sign()  # nobody to ask


async def test_a_closed_socket_is_replaced_with_all_that_was_on_it(vhost: Vhost) -> None:
    declare(vhost, "unit.A")
    states: list[SessionState] = []
    async with Proxy(vhost.amqp_url) as proxy, session_on(vhost, url=proxy.url) as session:
        session.on_state(states.append)
        keeper = Keeper()
        session.consume(["unit.A"], keeper, prefetch=10)
        publisher = session.publisher()
        assert await publisher.publish(letters("unit.A", 1)) == [PublishOutcome.CONFIRMED]
        with capture_logs() as logs:
            proxy.cut()
            await holds(lambda: session.state is not SessionState.UP)
            await session.ready(30)
            assert await publisher.publish(letters("unit.A", 1, first=1)) == [PublishOutcome.CONFIRMED]
            await holds(lambda: "unit.A-1" in keeper.ids)
        assert [entry["event"] for entry in logs] == [Event.BROKER_LOST, Event.BROKER_CONNECTED]
        assert states == [SessionState.DOWN, SessionState.CONNECTING, SessionState.UP]


async def test_a_line_on_which_bytes_vanish_is_given_up_after_the_heartbeat(vhost: Vhost) -> None:
    declare(vhost, "unit.A")
    async with (
        Proxy(vhost.amqp_url) as proxy,
        session_on(vhost, url=proxy.url, tuning=FAST_HEARTBEAT) as session,
    ):
        keeper = Keeper()
        session.consume(["unit.A"], keeper, prefetch=10)
        publisher = session.publisher()
        proxy.black_hole()
        outcomes = asyncio.create_task(publisher.publish(letters("unit.A", 3)))
        await holds(lambda: session.state is not SessionState.UP, within=60)
        assert await outcomes == [PublishOutcome.LOST] * 3
        proxy.heal()
        proxy.cut()  # the attempt that went into the hole
        await session.ready(60)
        assert await publisher.publish(letters("unit.A", 3)) == [PublishOutcome.CONFIRMED] * 3
        await holds(lambda: len(keeper.ids) == 3)


async def test_a_refused_connection_is_tried_again(vhost: Vhost) -> None:
    async with Proxy(vhost.amqp_url) as proxy, session_on(vhost, url=proxy.url) as session:
        proxy.refuse()
        proxy.cut()
        await holds(lambda: proxy.accepted >= 5)
        with pytest.raises(BrokerUnavailableError):
            await session.ready(0.05)
        proxy.refuse(refuse=False)
        await session.ready(30)


async def test_of_a_names_addresses_the_one_that_worked_is_kept_when_its_connection_is_cut(vhost: Vhost) -> None:
    places: list[str] = []

    async def resolve(host: str, _port: int) -> list[str]:
        places.append(host)
        return ["127.0.0.9", "127.0.0.1"]  # nobody listens at the first

    async with Proxy(vhost.amqp_url) as proxy:
        url = proxy.url.replace("127.0.0.1", "broker.example")
        session = Session(url, user=vhost.user, password=vhost.password, name="test", tuning=QUICK, resolve=resolve)
        await session.start()
        await session.ready(60)
        assert len(places) == 2, "the first address, and then the other"
        for _ in range(3):
            await cut_and_reconnect(proxy, session)
        assert len(places) == 2 + 3, "each cut took one attempt, at the address that had worked"
        await session.close()


async def cut_and_reconnect(proxy: Proxy, session: Session) -> None:
    before = proxy.accepted
    proxy.cut()
    await holds(lambda: proxy.accepted > before, within=60)
    await session.ready(60)


async def test_a_wrong_password_is_reported_and_tried_again(vhost: Vhost) -> None:
    session = Session(vhost.amqp_url, user=vhost.user, password="wrong", name="test", tuning=QUICK)
    await session.start()
    with capture_logs() as logs, pytest.raises(BrokerUnavailableError, match="ACCESS_REFUSED"):
        await session.ready(3)
    assert sum(entry["event"] == Event.BROKER_LOST for entry in logs) > 1
    await session.close()


@pytest.mark.parametrize("seed", range(3))
async def test_with_a_line_that_keeps_breaking_nothing_is_lost_and_no_tag_is_acknowledged_twice(
    vhost: Vhost, seed: int
) -> None:
    rng = random.Random(seed)
    declare(vhost, "unit.A", "unit.B", "unit.C")
    queues = ["unit.A", "unit.B", "unit.C"]
    messages = [message for queue in queues for message in letters(queue, 700, size=500)]
    rng.shuffle(messages)
    wanted = {message.message_id for message in messages}
    keeper = Keeper(reject={"unit.B-13"})
    keeper.fail_next = 2
    with capture_logs() as logs:
        async with (
            Proxy(vhost.amqp_url) as out_line,
            Proxy(vhost.amqp_url) as in_line,
            session_on(vhost, url=out_line.url, name="out") as sender,
            session_on(vhost, url=in_line.url, name="in") as receiver,
        ):
            receiver.consume(queues, keeper, prefetch=50, max_batch=40)
            publisher = sender.publisher(window=100)
            parts = [messages[n::4] for n in range(4)]
            for line in (out_line, in_line):
                line.throttle(400_000)
            sending = asyncio.gather(*(until_confirmed(publisher, part, sender) for part in parts))
            for _ in range(6):
                await asyncio.sleep(rng.uniform(0.05, 0.3))
                rng.choice((out_line, in_line)).cut()
            await sending
            await holds(lambda: set(keeper.ids) == wanted, within=60)
            await holds(lambda: all(depth(vhost, queue) == 0 for queue in queues))
    assert max(map(len, keeper.batches)) <= 40
    assert keeper.most_running == 1
    reasons = [str(entry.get("reason")) for entry in logs]
    assert not [reason for reason in reasons if "PRECONDITION" in reason or "unknown delivery tag" in reason]
    assert all(depth(vhost, queue) == 0 for queue in queues), "something was still unacknowledged at the end"
    assert depth(vhost, "dead") >= 1


async def test_a_broker_that_is_killed_and_comes_back_loses_nothing(
    own_node: PatientNode, own_directory: Path, own_vhost: Vhost
) -> None:
    declare(own_vhost, "unit.A")
    keeper = Keeper()
    file = next(own_directory.glob("data/*/quorum/*/names.dets"))
    await holds(lambda: f"{own_vhost.name}_unit.A".encode() in file.read_bytes(), what="the queue's name on disk")
    async with session_on(own_vhost) as session:
        publisher = session.publisher(window=100)
        sending = asyncio.create_task(until_confirmed(publisher, letters("unit.A", 3000), session))
        await holds(lambda: publisher._confirms._next > 500)
        await asyncio.to_thread(own_node.kill)
        await holds(lambda: session.state is not SessionState.UP)
        await asyncio.to_thread(own_node.start)
        assert await sending >= 2
        session.consume(["unit.A"], keeper, prefetch=500)
        await holds(lambda: set(keeper.ids) == {f"unit.A-{n}" for n in range(3000)})


async def test_a_queue_that_a_killed_broker_forgot_can_be_published_to_again(
    own_node: PatientNode, own_vhost: Vhost
) -> None:
    async with session_on(own_vhost) as session:
        declare(own_vhost, "young")
        await asyncio.to_thread(own_node.kill)
        await holds(lambda: session.state is not SessionState.UP)
        await asyncio.to_thread(own_node.start)
        declare(own_vhost, "young")  # it may be there or not
        await asyncio.wait_for(until_confirmed(session.publisher(), letters("young", 10), session), 60)
    assert depth(own_vhost, "young") == 10


async def test_a_broker_that_stops_in_good_order_is_waited_for(own_node: PatientNode, own_vhost: Vhost) -> None:
    declare(own_vhost, "unit.A")
    keeper = Keeper()
    async with session_on(own_vhost) as session:
        session.consume(["unit.A"], keeper, prefetch=500)
        with capture_logs() as logs:
            await asyncio.to_thread(own_node.stop)
            await holds(lambda: session.state is not SessionState.UP)
            await asyncio.to_thread(own_node.start)
            await session.ready(60)
        lost = [entry["reason"] for entry in logs if entry["event"] == Event.BROKER_LOST]
        assert "CONNECTION_FORCED" in lost[0]
        assert await session.publisher().publish(letters("unit.A", 1)) == [PublishOutcome.CONFIRMED]
        await holds(lambda: keeper.ids == ["unit.A-0"])


async def test_a_blocked_broker_makes_publishes_wait_and_consumes_go_on(
    own_node: PatientNode, own_directory: Path, own_vhost: Vhost
) -> None:
    address = own_node.start()
    declare(own_vhost, "unit.A")
    keeper = Keeper()
    async with session_on(own_vhost) as session, session_on(own_vhost, name="reader") as reader:
        publisher, patient = session.publisher(confirm_timeout=1), session.publisher(confirm_timeout=60)
        await until_confirmed(publisher, letters("unit.A", 10), session)
        try:
            await _memory_limit(own_directory, address, "0.000000001")
            first = await publisher.publish(letters("unit.A", 1, first=10))  # a publish is what blocks a connection
            await holds(lambda: session.state is SessionState.BLOCKED)
            with pytest.raises(BrokerUnavailableError):
                await session.ready(0.05)
            assert await publisher.publish(letters("unit.A", 5, first=11)) == [PublishOutcome.TIMED_OUT] * 5
            assert len(publisher._confirms) == len([o for o in first if o is PublishOutcome.TIMED_OUT])
            waiting = asyncio.create_task(patient.publish(letters("unit.A", 5, first=20)))
            reader.consume(["unit.A"], keeper, prefetch=10)
            await holds(lambda: len(keeper.messages) >= 10)
            assert not waiting.done()
        finally:
            await _memory_limit(own_directory, address, "0.8")
        await holds(lambda: session.state is SessionState.UP)
        assert await waiting == [PublishOutcome.CONFIRMED] * 5
        await holds(lambda: {f"unit.A-{n}" for n in range(20, 25)} <= set(keeper.ids))
        assert not {f"unit.A-{n}" for n in range(11, 16)} & set(keeper.ids), "given up before they were sent"


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_it_works_on_either_loop(vhost: Vhost, run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    declare(vhost, "unit.A")

    async def way() -> None:
        keeper = Keeper()
        async with Proxy(vhost.amqp_url) as proxy, session_on(vhost, url=proxy.url) as session:
            session.consume(["unit.A"], keeper, prefetch=100)
            publisher = session.publisher()
            await until_confirmed(publisher, letters("unit.A", 200), session)
            proxy.cut()
            await holds(lambda: session.state is not SessionState.UP)
            await until_confirmed(publisher, letters("unit.A", 200, first=200), session)
            await holds(lambda: set(keeper.ids) == {f"unit.A-{n}" for n in range(400)})
        assert depth(vhost, "unit.A") == 0

    run(way())


async def _memory_limit(directory: Path, address: NodeAddress, fraction: str) -> None:
    """Set the broker's memory alarm, with its own tool: below what it uses, it blocks every publisher."""
    identity = config.load_identity(directory / "node.json")
    assert identity is not None
    assert str(identity.amqp_port) in address.amqp_url
    environment = config.environment(directory, NAME, identity)
    command = ["/usr/lib/rabbitmq/bin/rabbitmqctl", "-n", f"{NAME}@localhost", "set_vm_memory_high_watermark", fraction]
    await asyncio.to_thread(subprocess.run, command, env=environment, check=True, capture_output=True, timeout=60)


async def test_who_knows_that_the_line_went_has_a_new_connection_at_once(vhost: Vhost) -> None:
    declare(vhost, "unit.A")
    slow = Tuning(pause_first=60, pause_longest=120)
    async with Proxy(vhost.amqp_url) as proxy, session_on(vhost, url=proxy.url, tuning=slow) as session:
        publisher = session.publisher()
        proxy.black_hole()
        lost = asyncio.create_task(publisher.publish(letters("unit.A", 1)))
        await asyncio.sleep(0)
        session.renew()
        assert await asyncio.wait_for(lost, 5) == [PublishOutcome.LOST]
        await holds(lambda: session.state is SessionState.CONNECTING and proxy.open > 0)
        proxy.heal()
        session.renew()  # the attempt that was begun in the hole would last for a minute
        await session.ready(10)
        assert await publisher.publish(letters("unit.A", 1)) == [PublishOutcome.CONFIRMED]


async def test_messages_go_to_the_newest_connection_while_the_broker_takes_a_dead_one_for_alive(vhost: Vhost) -> None:
    declare(vhost, "unit.A")
    before, after = Keeper(), Keeper()
    async with Proxy(vhost.amqp_url) as proxy, session_on(vhost, url=proxy.url) as old:
        old.consume(["unit.A"], before, prefetch=100, newest_first=True)
        async with session_on(vhost, name="origin") as origin:
            publisher = origin.publisher()
            await publisher.publish(letters("unit.A", 1))
            await holds(lambda: len(before.messages) == 1)
            proxy.black_hole()
            await asyncio.sleep(1.1)  # a second later, as every redial takes: the priority is the time
            async with session_on(vhost, name="new") as new:
                consumer = new.consume(["unit.A"], after, prefetch=100, newest_first=True)
                await consumer.attached.wait()
                await publisher.publish(letters("unit.A", 20, first=1))
                await holds(lambda: len(after.messages) == 20, within=4, what="all of them, none by turns")
