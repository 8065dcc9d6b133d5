"""Who tells whether a silent line is dead: the kernel of a connection, a probe of the router, remembered names."""

import asyncio
import contextlib
import fcntl
import socket
import struct
import termios

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from consumers.line import names as names_module
from consumers.line.connection import LineConnection, limit_window
from consumers.line.names import Names
from consumers.line.pace import FAST, FIRST_WINDOW, LARGEST_WINDOW, LinePace
from consumers.line.signs import Prober
from router.broker.tcp import tcp_info
from support.conditions import holds

HERE = "127.0.0.1"


class Resolver(AbstractResolver):
    """The system's, as slow as a test wants."""

    def __init__(self) -> None:
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()
        self.address = HERE
        self.error: OSError | None = None

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        await self.open.wait()
        if self.error:
            raise self.error
        found = ResolveResult(hostname=host, host=self.address, port=port, family=family, proto=0, flags=0)
        return [found]

    async def close(self) -> None:
        """Nothing is kept."""


async def test_a_name_is_asked_for_once_and_a_slow_answer_stops_nothing_after_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolver = Resolver()
    names = Names(resolver)
    first = await names.resolve("router.example", 443)
    assert (await names.resolve("router.example", 443), resolver.asked) == (first, 1)
    monkeypatch.setattr(names_module, "FRESH_SECONDS", 0.0)
    resolver.open.clear()
    assert await names.resolve("router.example", 443) == first, "it is asked for again behind the old answer"
    await holds(lambda: resolver.asked == 2)
    resolver.address = "127.0.0.2"
    resolver.open.set()
    await holds(lambda: names._known["router.example", 443, 0][1][0]["host"] == "127.0.0.2")
    assert names.trouble == ""


async def test_a_name_that_was_found_before_survives_a_resolver_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Resolver()
    names = Names(resolver)
    first = await names.resolve("router.example", 443)
    monkeypatch.setattr(names_module, "FRESH_SECONDS", 0.0)
    resolver.error = OSError("no name server answers")
    for _ in range(3):
        assert await names.resolve("router.example", 443) == first
        await holds(lambda: "no name server answers" in names.trouble and not names._lookups)
    with pytest.raises(OSError, match="no name server"):
        await Names(resolver).resolve("router.example", 443)


async def test_a_probe_is_answered_by_who_takes_or_refuses_it_and_by_nobody_else() -> None:
    with socket.create_server((HERE, 0)) as server:
        port = server.getsockname()[1]
        assert await Prober(f"http://{HERE}:{port}", Names(Resolver()))()
    assert await Prober(f"https://{HERE}:{port}", Names(Resolver()))(), "a refusal is an answer of its machine"
    gone = Resolver()
    gone.error = OSError("no name server answers")
    assert not await Prober("https://router.example", Names(gone))()


def pending(made: socket.socket) -> int:
    """Bytes that have come and were not read."""
    count: int = struct.unpack("i", fcntl.ioctl(made, termios.FIONREAD, bytes(4)))[0]
    return count


async def test_a_window_grows_on_the_connection_that_stands() -> None:
    with socket.create_server((HERE, 0)) as server, socket.socket() as made:
        limit_window(made, FIRST_WINDOW)
        made.connect(server.getsockname())
        far = server.accept()[0]
        far.settimeout(0.0)
        connection = LineConnection(asyncio.timeout(None), FIRST_WINDOW)
        connection.socket = made

        def flows(expected: int) -> bool:
            with contextlib.suppress(BlockingIOError):
                far.send(bytes(LARGEST_WINDOW))
            return pending(made) >= expected

        await holds(lambda: flows(FIRST_WINDOW))
        before = pending(made)
        connection.widen(8 * FIRST_WINDOW)
        made.recv(before)
        await holds(lambda: flows(4 * before), what="more comes ahead than before")
        connection.widen(FIRST_WINDOW)
        assert connection.window == 8 * FIRST_WINDOW, "it never shrinks"
        told = tcp_info(made)
        assert told is not None
        assert told.received == before + pending(made)
        far.close()


def test_a_line_that_went_begins_with_the_window_that_its_rate_needs() -> None:
    cases = {4_000.0: FIRST_WINDOW, 18_000.0: 4 * FIRST_WINDOW, FAST * 2.0: 0}
    for rate, window in cases.items():
        pace = LinePace(rate)
        pace.round_trip_is(0.6)
        pace.anew()
        assert pace.window == window, rate
        assert pace.round_trip == 0.0, "it may be another line"


async def test_the_kernel_tells_nothing_of_what_is_no_connection() -> None:
    assert tcp_info(None) is None
    with socket.socket() as made:
        assert tcp_info(made) is None
    assert tcp_info(made) is None
