"""What a session does when there is no broker at all."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.broker import (
    BrokerUnavailableError,
    Delivered,
    Outgoing,
    PublishOutcome,
    Session,
    SessionState,
    Template,
    Tuning,
    dead_letter,
)
from router.broker.backoff import Backoff, sleep_unless

MESSAGE = Outgoing(Template("org.LCA", "descriptor", b"{}"), "LCA.02.normal", "id")
RESTLESS = Tuning(pause_first=0.01, pause_longest=0.02)
LAZY = Tuning(pause_first=3600, pause_longest=7200)


@pytest.fixture
def nobody() -> Iterator[str]:
    """The URL of a port that is bound and where nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"amqp://127.0.0.1:{held.getsockname()[1]}/congvan"


async def test_ready_says_what_is_wrong_and_where(nobody: str) -> None:
    session = Session(nobody, user="gateway:LCA.02.#", password="p", name="test", tuning=RESTLESS)
    await session.start()
    with pytest.raises(BrokerUnavailableError, match=r"vhost congvan as gateway:LCA\.02\.#: .*refused"):
        await session.ready(0.3)
    await session.close()


async def test_it_tries_again_for_ever(nobody: str) -> None:
    session = Session(nobody, name="test", tuning=RESTLESS)
    attempts = 0
    enough = asyncio.Event()

    def count(state: SessionState) -> None:
        nonlocal attempts
        attempts += state is SessionState.CONNECTING
        if attempts == 10:
            enough.set()

    session.on_state(count)
    await session.start()
    await asyncio.wait_for(enough.wait(), 30)
    await session.close()
    assert session.state is SessionState.DOWN


async def test_an_attempt_that_took_all_its_time_gives_the_next_twice_as_much_up_to_the_longest() -> None:
    took: list[float] = []
    enough = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        began = asyncio.get_running_loop().time()
        while await reader.read(100):
            pass
        took.append(asyncio.get_running_loop().time() - began)
        writer.close()
        if len(took) == 5:
            enough.set()

    patient = Tuning(pause_first=0.01, pause_longest=0.02, stack_timeout=0.25, stack_timeout_longest=1.0)
    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        session = Session(f"amqp://127.0.0.1:{port}/congvan", name="test", tuning=patient)
        await session.start()
        await asyncio.wait_for(enough.wait(), 30)
        await session.close()
    assert took[1] > 1.5 * took[0]
    assert took[2] > 1.5 * took[1]
    assert max(took[3:]) < 1.5 * took[2]


async def test_a_refused_connection_asks_for_no_more_patience(nobody: str) -> None:
    session = Session(nobody, name="test", tuning=Tuning(pause_first=0.01, pause_longest=0.02, stack_timeout=0.25))
    downs = asyncio.Event()
    session.on_doubt(lambda _why: downs.set())
    await session.start()
    await asyncio.wait_for(downs.wait(), 30)
    assert session._stack_timeout == 0.25
    await session.close()


async def test_the_pause_ends_when_someone_knows_better(nobody: str) -> None:
    session = Session(nobody, name="test", tuning=LAZY)
    states: asyncio.Queue[SessionState] = asyncio.Queue()
    session.on_state(states.put_nowait)
    await session.start()
    assert [await states.get(), await states.get()] == [SessionState.CONNECTING, SessionState.DOWN]
    await sleep_unless(asyncio.Event(), 0)
    session.renew()
    assert await asyncio.wait_for(states.get(), 10) is SessionState.CONNECTING
    await session.close()


async def test_a_publish_without_a_connection_is_lost_at_once_and_raises_nothing(nobody: str) -> None:
    session = Session(nobody, name="test", tuning=LAZY)
    publisher = session.publisher()
    assert await publisher.publish([MESSAGE, MESSAGE]) == [PublishOutcome.LOST, PublishOutcome.LOST]
    await session.start()
    assert await publisher.publish([MESSAGE]) == [PublishOutcome.LOST]
    assert await publisher.publish([]) == []
    await session.close()
    assert await publisher.publish([MESSAGE]) == [PublishOutcome.LOST]


async def test_closing_at_any_moment_of_connecting_leaves_nothing_behind(nobody: str) -> None:
    for turns in range(12):
        session = Session(nobody, name="test", tuning=RESTLESS)
        session.consume(["queue"], _no_handler, prefetch=1)
        await session.start()
        for _ in range(turns):
            await asyncio.sleep(0)
        await asyncio.wait_for(session.close(), 5)
        assert session.state is SessionState.DOWN
        with pytest.raises(BrokerUnavailableError, match="closed"):
            await session.ready()
    assert len(asyncio.all_tasks()) == 1


async def test_closing_while_the_other_side_says_nothing_is_quick() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        session = Session(f"amqp://127.0.0.1:{silent.getsockname()[1]}/", name="test", tuning=RESTLESS)
        await session.start()
        with pytest.raises(BrokerUnavailableError, match="not finished"):
            await session.ready(0.2)
        assert session.state is SessionState.CONNECTING
        await asyncio.wait_for(session.close(), 5)


async def test_what_cannot_be_put_aside_must_not_be_acknowledged(nobody: str) -> None:
    publisher = Session(nobody, name="test").publisher()
    message = Delivered(b"?", "intake", "intake", "", "", "issuer:LCA.VP", {}, "", "", redelivered=False)
    assert await dead_letter(publisher, [(message, "not JSON")]) == [0]
    assert await dead_letter(publisher, []) == []


def test_the_login_in_the_url_is_used_and_can_be_overridden() -> None:
    async def users() -> tuple[str, str]:
        url = "amqp://issuer%3ALCA.VP:secret@127.0.0.1:1/congvan"
        return Session(url, name="a").user, Session(url, user="router", password="p", name="b").user

    assert asyncio.run(users()) == ("issuer:LCA.VP", "router")


@given(st.floats(0.01, 10), st.floats(1, 10), st.integers(1, 200))
def test_pauses_stay_between_the_shortest_and_the_longest(first: float, factor: float, failures: int) -> None:
    backoff = Backoff(first, first * factor)
    pauses = [backoff.pause() for _ in range(failures)]
    assert all(first <= pause <= max(first * factor, first) + 1e-9 for pause in pauses)


def test_pauses_grow_and_start_again_after_success() -> None:
    backoff = Backoff(1, 1024)
    assert max(backoff.pause() for _ in range(20)) > 2
    backoff.reset()
    assert backoff.pause() <= 2


def test_importing_the_package_loads_neither_pika_nor_anything_slow() -> None:
    code = "import sys, router.broker; print([m for m in ('pika', 'tenacity', 'asyncio') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_every_public_name_can_be_loaded() -> None:
    import router.broker as package

    assert all(getattr(package, name).__name__ in {name, "Callable"} for name in package.__all__ if name != "Handler")
    with pytest.raises(AttributeError, match="nonsense"):
        _ = package.nonsense


async def _no_handler(batch: Sequence[Delivered]) -> list[int]:
    raise AssertionError(batch)


@pytest.mark.parametrize("turns", range(5))
async def test_who_waits_for_an_event_can_be_stopped_whenever_the_event_came(turns: int) -> None:
    """A stop that meets the event half-way was swallowed by ``asyncio.wait_for``, and the process never ended."""
    event = asyncio.Event()

    async def work() -> None:
        while True:
            await sleep_unless(event, 600)
            event.clear()

    working = asyncio.create_task(work())
    for _ in range(3):
        await asyncio.sleep(0)
    event.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    working.cancel()
    async with asyncio.timeout(60):
        await asyncio.wait([working])
    assert working.cancelled()


async def test_its_name_is_resolved_by_whom_it_is_told_and_each_attempt_takes_the_next_address() -> None:
    """A resolver that is slow or gone is asked by somebody who remembers (:mod:`consumers.line.names`)."""
    asked: list[tuple[str, int]] = []
    came: list[str] = []
    both = asyncio.Event()

    async def resolve(host: str, port: int) -> list[str]:
        asked.append((host, port))
        if len(asked) == 1:
            raise OSError("no resolver")
        return ["127.0.0.1", "127.0.0.2"]

    def come(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(writer.get_extra_info("sockname")[0])
        writer.close()
        if len(set(came)) == 2:
            both.set()

    server = await asyncio.start_server(come, ["127.0.0.1"])
    port = server.sockets[0].getsockname()[1]
    other = await asyncio.start_server(come, "127.0.0.2", port)
    session = Session(f"amqp://broker.example:{port}/v", name="test", tuning=RESTLESS, resolve=resolve)
    await session.start()
    async with asyncio.timeout(30):
        await both.wait()
    assert came[:2] == ["127.0.0.1", "127.0.0.2"]
    assert set(asked) == {("broker.example", port)}
    await session.close()
    for one in (server, other):
        one.close()
        await one.wait_closed()


async def test_a_name_that_is_not_found_is_said() -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        raise OSError("Temporary failure in name resolution")

    session = Session("amqps://broker.example/v", name="test", tuning=RESTLESS, resolve=resolve)
    await session.start()
    with pytest.raises(BrokerUnavailableError, match=r"broker\.example is not known: .*Temporary failure"):
        await session.ready(0.3)
    await session.close()


async def test_a_certificate_is_for_the_name_whatever_its_address() -> None:
    session = Session("amqps://broker.example/v", name="test", resolve=_address)
    resolved = await session._resolved()
    assert (resolved.host, resolved.ssl_options.server_hostname) == ("192.0.2.7", "broker.example")


async def _address(_host: str, _port: int) -> list[str]:
    return ["192.0.2.7"]
