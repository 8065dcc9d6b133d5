"""The line's state as connections tell it."""

import asyncio
import math
import socket
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from consumers.errors import LineError, SilentLineError
from consumers.line import state as line_module
from consumers.line.connection import LineConnection
from consumers.line.signs import Signs
from consumers.line.state import Line, LineState
from router.broker import SessionState
from support.conditions import holds


def test_the_brokers_connection_tells_of_the_line() -> None:
    line = Line()
    seen = []
    for state in (SessionState.CONNECTING, SessionState.UP, SessionState.BLOCKED, SessionState.DOWN):
        line.broker_is(state)
        seen.append(line.state)
    assert seen == [LineState.COMING_UP, LineState.UP, LineState.UP, LineState.DOWN]


def test_a_byte_of_content_says_that_the_line_is_up_whatever_the_broker_does() -> None:
    line = Line()
    line.moved(1)
    assert line.state is LineState.UP


async def test_a_lost_transfer_means_stalled_while_the_brokers_connection_stands_and_down_otherwise() -> None:
    line = Line()
    seen: list[LineState] = []
    events: tuple[Callable[[], None], ...] = (
        lambda: line.moved(1),
        lambda: line.lost(LineError("reset")),
        lambda: line.broker_is(SessionState.UP),
        lambda: line.lost(LineError("silent")),
        lambda: line.moved(1),
    )
    for event in events:
        event()
        seen.append(line.state)
    assert seen == [LineState.UP, LineState.DOWN, LineState.UP, LineState.STALLED, LineState.UP]


async def test_the_next_try_comes_as_soon_as_the_line_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_module, "PROBE_WHEN_DOWN", 60.0)
    line = Line()
    waiting = asyncio.create_task(line.worth_a_try())
    await asyncio.sleep(0)
    assert not waiting.done()
    line.broker_is(SessionState.UP)
    await asyncio.wait_for(waiting, 5)


@pytest.mark.parametrize("stalled", [True, False])
async def test_without_a_word_of_the_line_it_is_tried_after_a_moment(
    monkeypatch: pytest.MonkeyPatch, *, stalled: bool
) -> None:
    monkeypatch.setattr(line_module, "PROBE_WHEN_STALLED" if stalled else "PROBE_WHEN_DOWN", 0.01)
    line = Line()
    if stalled:
        line.broker_is(SessionState.UP)
        line.lost(LineError("silent"))
    await asyncio.wait_for(line.worth_a_try(), 0.5)


async def held(line: Line, *, silent_for: float = 0.0, on: socket.socket | None = None) -> None:
    """A connection that waits for bytes."""
    async with line.connection() as connection:
        connection.socket = on
        connection.moved_at -= silent_for
        await asyncio.Event().wait()


async def test_a_hooks_word_ends_every_connection_and_renews_the_brokers() -> None:
    renewed: list[str] = []
    line = Line(renew=lambda: renewed.append("broker"))
    line.broker_is(SessionState.UP)
    for up in (False, True):
        connection = asyncio.create_task(held(line))
        await asyncio.sleep(0)
        line.told(up)
        with pytest.raises(LineError, match="the line went"):
            await asyncio.wait_for(connection, 5)
    assert renewed == ["broker"] * 2
    assert line.state is LineState.COMING_UP


async def test_while_a_hook_says_down_nobody_tries_and_the_brokers_attempts_change_nothing() -> None:
    line = Line()
    line.told(False)  # noqa: FBT003 - a callback's one argument
    line.broker_is(SessionState.CONNECTING)
    assert line.state is LineState.DOWN
    trying = asyncio.create_task(line.worth_a_try())
    await asyncio.sleep(0)
    assert not trying.done()
    line.told(True)  # noqa: FBT003 - as above
    await asyncio.sleep(0)
    assert not trying.done(), "the broker first"
    line.broker_is(SessionState.CONNECTING)
    line.broker_is(SessionState.UP)
    await asyncio.wait_for(trying, 5)


async def test_content_waits_for_the_brokers_connection_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_module, "BROKER_FIRST", 0.02)
    line = Line()
    await asyncio.wait_for(line.broker_first(), 5)  # nobody makes one
    line.broker_is(SessionState.CONNECTING)
    began = asyncio.get_running_loop().time()
    await line.broker_first()
    assert asyncio.get_running_loop().time() - began >= 0.015


async def test_connections_that_were_silent_while_the_broker_came_up_anew_are_dead() -> None:
    line = Line()
    lively, silent = asyncio.create_task(held(line)), asyncio.create_task(held(line, silent_for=60))
    await asyncio.sleep(0)
    line.broker_is(SessionState.UP)
    with pytest.raises(LineError):
        await asyncio.wait_for(silent, 5)
    assert not lively.done()
    lively.cancel()


async def test_each_silence_without_a_byte_between_makes_the_patience_longer_and_renews_nothing_by_itself() -> None:
    renewed: list[str] = []
    line = Line(patience=25.0, renew=lambda: renewed.append("broker"))
    seen = []
    for _ in range(5):
        seen.append(line.patience)
        line.broker_is(SessionState.UP)
        line.lost(SilentLineError("silent"))
    assert (seen, renewed) == ([4.0, 8.0, 16.0, 25.0, 25.0], [])
    line.moved(1)
    assert line.patience == 4.0


@dataclass
class World:
    """What is asked for signs of life, and what was done about it."""

    answers: bool = True
    broker_quiet: float = 0.0
    probes: int = 0
    renewed: int = 0

    def line(self) -> Line:
        """An examined line whose broker's connection stands."""

        async def probe() -> bool:
            self.probes += 1
            return self.answers

        def renew() -> None:
            self.renewed += 1

        made = Line(signs=Signs(probe, lambda: None, lambda: self.broker_quiet), renew=renew)
        made.broker_is(SessionState.UP)
        return made


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"LOOK_EVERY": 0.005, "FIRST_PATIENCE": 0.02, "ANSWER_SECONDS": 0.02}.items():
        monkeypatch.setattr(line_module, name, value)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("broker_quiet", [0.0, math.inf], ids=["broker heard", "broker silent"])
async def test_a_silent_connection_is_dead_when_a_new_one_is_answered(broker_quiet: float) -> None:
    world = World(broker_quiet=broker_quiet)
    line = world.line()
    with pytest.raises(SilentLineError, match="new connections are answered") as told:
        await asyncio.wait_for(held(line), 5)
    assert world.renewed == (1 if broker_quiet else 0), "the broker's is judged by its own signs, once"
    line.lost(told.value)
    assert world.renewed == (1 if broker_quiet else 0)
    assert line.state is LineState.UP, "the next try is made at once"


async def heard(line: Line) -> None:
    """A connection on which bytes come all the time."""
    async with line.connection() as connection:
        while True:
            connection.moved()
            await asyncio.sleep(0.001)


@pytest.mark.usefixtures("quick")
async def test_a_silent_connection_beside_one_that_is_heard_says_nothing_of_the_line() -> None:
    world = World()
    line = world.line()
    told: list[LineState] = []
    line._on_state = told.append
    lively = asyncio.create_task(heard(line))
    with pytest.raises(SilentLineError, match="new connections are answered"):
        await asyncio.wait_for(held(line), 5)
    assert (told, line.reason, world.probes >= 1) == ([], "", True)
    assert not lively.done()
    lively.cancel()


@pytest.mark.usefixtures("quick")
async def test_nothing_is_given_up_for_its_silence_while_nobody_answers() -> None:
    world = World(answers=False, broker_quiet=math.inf)
    line = world.line()
    holding = asyncio.create_task(held(line))
    await holds(lambda: world.probes >= 3)
    assert (line.state, world.renewed, holding.done()) == (LineState.STALLED, 0, False)
    assert "nothing was heard" in line.reason
    world.answers = True
    with pytest.raises(SilentLineError):
        await asyncio.wait_for(holding, 5)
    assert (world.renewed, line.reason) == (1, "")


@pytest.mark.usefixtures("quick")
async def test_a_line_that_comes_back_by_itself_has_its_broker_asked() -> None:
    world = World(broker_quiet=math.inf)
    line = world.line()
    line.lost(LineError("reset"))
    line.moved(1)
    await holds(lambda: world.renewed == 1)


async def stuck(line: Line, made: socket.socket) -> LineError:
    """A connection on which the other machine is heard and no byte comes; how it ended."""
    with pytest.raises(SilentLineError, match="no byte for") as told:
        await held(line, on=made)
    line.lost(told.value)
    return told.value


async def test_where_nothing_large_comes_smaller_segments_are_asked_for_and_people_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(line_module, "LOOK_EVERY", 0.005)
    line = Line(patience=0.1)
    line.broker_is(SessionState.UP)
    monkeypatch.setattr("consumers.line.connection.LineConnection.quiet", 0.0)  # as on a machine that acknowledges
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(line_module.CHOKED_OFTEN):
            assert (line.segment, line.reason.count("MTU")) == (0, 0)
            with socket.create_connection(server.getsockname()) as made:
                await stuck(line, made)
    assert (line.segment, line.state) == (line_module.SMALL_SEGMENT, LineState.STALLED)
    assert "(MTU)" in line.reason
    assert line.stalled_since > 0
    line.moved(1)
    assert (line.reason, line.stalled_since, line.segment) == ("", 0, line_module.SMALL_SEGMENT)


async def test_a_connection_that_was_never_made_says_nothing_of_packets() -> None:
    line = Line()
    connection = LineConnection(asyncio.timeout(None))
    assert [line._why_stuck(connection) for _ in range(3)] == ["no byte for 25 s"] * 3
    assert line.segment == 0


def test_a_refused_connection_is_no_reason_to_renew_the_brokers() -> None:
    renewed: list[str] = []
    line = Line(renew=lambda: renewed.append("broker"))
    line.broker_is(SessionState.UP)
    line.lost(LineError("refused"))
    assert (line.state, renewed) == (LineState.STALLED, [])
