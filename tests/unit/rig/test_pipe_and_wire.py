"""The rig's parts that need no root, measured by what is known beforehand."""

import asyncio
import itertools
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.pipe import Pipe
from rig.profiles import CEILING, MTU, PPP_BYTES, PROFILES, Profile
from rig.proxy import Proxy
from rig.wire import Wire


def a_pipe(**fields: float) -> Pipe:
    line = {"rate": 33_600, "delay": 0.1, "queue": 24_000, "loss": 0.0} | fields
    return Pipe(**line, rng=random.Random(1))  # type: ignore[arg-type]


def test_a_packet_takes_its_bits_and_the_delay() -> None:
    assert a_pipe().offer(5.0, MTU) == pytest.approx(5.0 + (MTU + PPP_BYTES) * 8 / 33_600 + 0.1)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(40, MTU)), max_size=200))
def test_packets_keep_their_order_their_rate_and_the_buffers_bound(offers: list[tuple[float, int]]) -> None:
    pipe, now, arrivals, carried = a_pipe(), 0.0, [], 0
    for pause, size in offers:
        now += pause
        assert pipe.waiting(now) <= pipe.queue
        arrives = pipe.offer(now, size)
        if arrives is not None:
            arrivals.append(arrives)
            carried += size + PPP_BYTES
    assert arrivals == sorted(arrivals)
    if arrivals:
        assert carried * 8 / 33_600 <= arrivals[-1] - 0.1 + 1e-6


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 5)), max_size=50))
def test_on_a_radio_line_packets_come_late_and_none_overtakes_another(offers: list[tuple[float, float]]) -> None:
    plain, radio, now, arrivals = a_pipe(queue=1 << 30), a_pipe(queue=1 << 30, jitter=0.3), 0.0, []
    for pause, stall in offers:
        now += pause
        for pipe in (plain, radio):
            pipe.stall(now, stall)
        usual, late = plain.offer(now, MTU), radio.offer(now, MTU)
        assert usual is not None
        assert late is not None
        assert now + stall < usual <= late
        arrivals.append(late)
    assert arrivals == sorted(arrivals)


def test_the_share_of_lost_packets_is_the_profiles() -> None:
    pipe = a_pipe(rate=1e12, loss=0.05)
    lost = sum(pipe.offer(float(number), MTU) is None for number in range(20_000))
    assert lost == pipe.spoilt == pytest.approx(1000, rel=0.2)


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_a_schedule_is_the_seeds_and_within_the_profile(scale: float) -> None:
    profile = PROFILES["A"].faster(scale)
    first, again = (list(itertools.islice(profile.changes(3), 20)) for _ in range(2))
    spans = [after - before for before, after in itertools.pairwise([0.0, *first])]
    assert first == again != list(itertools.islice(profile.changes(4), 20))
    assert all(120 / scale <= span <= 240 / scale for span in spans[::2])
    assert spans[1::2] == pytest.approx([25 / scale] * 10)


def test_the_moments_at_which_a_radio_line_stalls_are_the_seeds() -> None:
    first, again, other = (list(itertools.islice(PROFILES["EDGE"].stalls(seed), 5)) for seed in (1, 1, 2))
    assert first == again != other
    assert all(20 <= after - before <= 60 for before, after in itertools.pairwise([0.0, *first]))
    assert list(PROFILES["A"].stalls(1)) == []


def test_a_line_without_drops_has_no_schedule() -> None:
    assert list(PROFILES["C"].changes(1)) == []


async def fetch_through(wire: Wire, size: int) -> float:
    """Seconds that a server's bytes take through a proxy."""

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(size))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Proxy(f"http://127.0.0.1:{port}", wire) as proxy:
        began = time.monotonic()
        host, _, number = proxy.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(number))
        assert len(await reader.read(-1)) == size
        writer.close()
        return time.monotonic() - began


async def test_a_stream_through_the_proxy_gets_the_same_share_as_on_the_line() -> None:
    wire = Wire(Profile("quick", 1_000_000, 1_000_000, rtt=0.05), 1)
    seconds = await fetch_through(wire, 200_000)
    assert 200_000 / (seconds - wire.down_pipe.idle) == pytest.approx(CEILING * 1_000_000 / 8, rel=0.1)


async def test_a_drop_deafens_connections_for_ever_and_new_ones_work() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    told: list[bool] = []
    wire = Wire(Profile("quick", 1_000_000, 1_000_000, rtt=0.01), 1, on_change=told.append)
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, Proxy(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", wire) as proxy:
        host, _, port = proxy.url.removeprefix("http://").partition(":")

        async def say(streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> bytes:
            streams[1].write(b"hello")
            async with asyncio.timeout(1):
                return await streams[0].read(100)

        old = await asyncio.open_connection(host, int(port))
        assert await say(old) == b"hello"
        wire.switch(up=False)
        wire.switch(up=True)
        new = await asyncio.open_connection(host, int(port))
        assert await say(new) == b"hello"
        with pytest.raises(TimeoutError):
            await say(old)
        for _, writer in (old, new):
            writer.close()
    assert told == [False, True]
