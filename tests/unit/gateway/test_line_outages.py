"""The outages of a line: found in its states, kept in the spool until a broker has confirmed them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection

from consumers.errors import SpoolUnavailableError
from consumers.line import outages as outages_module
from consumers.line import state as line_module
from consumers.line.outages import EdgeFinder, Outages
from consumers.line.state import Line, LineState
from consumers.spool import Spool, Writer, open_spool
from consumers.spool import outages as kept
from consumers.spool.outages import MAX_KEPT, Down, Edge
from support.conditions import holds

UP, DOWN, COMING, STALLED = LineState.UP, LineState.DOWN, LineState.COMING_UP, LineState.STALLED


class Clock:
    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        self.now += 1
        return self.now


def note(spool: Spool, *edges: Edge) -> None:
    with spool.writing() as conn:
        kept.note_edge(conn, edges)


def untold(spool: Spool, limit: int = 5) -> list[Down]:
    with spool.reading() as conn:
        return kept.untold(conn, limit=limit)


@pytest.mark.parametrize(
    ("states", "edges"),
    [
        ([COMING, UP, DOWN, COMING, DOWN, COMING, UP], [(True, 1), (False, 2), (True, 6)]),
        ([COMING, UP, STALLED, UP, STALLED, UP], [(True, 1)]),
        ([COMING, UP, STALLED, COMING, UP], [(True, 1), (False, 3), (True, 4)]),
        ([COMING, DOWN, COMING], []),
    ],
    ids=["dropped", "only stalled", "stalled, then dropped", "never up"],
)
def test_a_line_is_down_from_the_loss_of_its_connection_until_the_next_one(
    states: Sequence[LineState], edges: list[tuple[bool, int]]
) -> None:
    finder = EdgeFinder()
    found = [finder.edge_of(state, at, alive_at=0) for at, state in enumerate(states)]
    assert [tuple(edge) for edge in found if edge is not None] == edges


def test_an_outage_begins_when_the_line_was_alive_last_not_when_that_was_noticed() -> None:
    finder = EdgeFinder()
    assert finder.edge_of(UP, 10, alive_at=0) == Edge(up=True, at=10)
    assert finder.edge_of(DOWN, 90_000, alive_at=30_000) == Edge(up=False, at=30_000)
    assert finder.edge_of(UP, 95_000, alive_at=30_000) == Edge(up=True, at=95_000)
    assert finder.edge_of(DOWN, 96_000, alive_at=99_000) == Edge(up=False, at=96_000), "a clock was set back"


def test_a_hooks_word_and_every_byte_say_when_a_line_was_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter((10, 20, 30))
    monkeypatch.setattr(line_module, "now_ms", lambda: next(times))
    line = Line()
    seen = [line.alive_at]
    events: tuple[Callable[[], None], ...] = (
        lambda: line.moved(1),
        lambda: line.told(up=False),
        lambda: line.moved(1),
    )
    for event in events:
        event()
        seen.append(line.alive_at)
    assert seen == [0, 10, 20, 30]


def test_an_outage_is_told_when_it_has_ended_and_forgotten_when_that_is_confirmed(spool: Spool) -> None:
    note(spool, Edge(up=True, at=5), Edge(up=False, at=10))
    assert untold(spool) == []
    note(spool, Edge(up=True, at=30), Edge(up=False, at=40))
    (first,) = untold(spool)
    assert (first.down_at, first.up_at) == (10, 30)
    with spool.writing() as conn:
        kept.forget(conn, [[first.pos]])
    note(spool, Edge(up=True, at=41))
    assert [item[1:] for item in untold(spool)] == [(40, 41)]


def test_an_outage_that_a_kill_left_open_ends_when_the_line_is_back(tmp_path: Path) -> None:
    before = open_spool(tmp_path)
    note(before, Edge(up=False, at=10))
    before.close()
    after = open_spool(tmp_path)
    note(after, Edge(up=False, at=20), Edge(up=True, at=30))
    assert [item[1:] for item in untold(after)] == [(10, 30)]
    after.close()


def test_a_clock_that_was_set_back_makes_no_outage_shorter_than_nothing(spool: Spool) -> None:
    note(spool, Edge(up=False, at=100), Edge(up=True, at=40))
    assert [item[1:] for item in untold(spool)] == [(100, 100)]


def test_the_oldest_go_when_there_are_too_many(spool: Spool) -> None:
    edges = [Edge(up=up, at=2 * at + up) for at in range(MAX_KEPT + 5) for up in (False, True)]
    note(spool, *edges)
    found = untold(spool, limit=2 * MAX_KEPT)
    assert len(found) == MAX_KEPT
    assert found[0].down_at == 10


@asynccontextmanager
async def keeping(spool: Spool, writer: Writer) -> AsyncIterator[Outages]:
    outages = Outages(spool, writer, clock=Clock())
    task = asyncio.create_task(outages.run())
    try:
        yield outages
    finally:
        task.cancel()


async def test_what_happened_until_now_is_among_what_is_told(spool: Spool, writer: Writer) -> None:
    async with keeping(spool, writer) as outages:
        for state in (UP, DOWN, COMING, UP, DOWN, UP):
            outages.line_is(state)
        found = await outages.untold(10)
        assert [item[1:] for item in found] == [(2, 4), (5, 6)]
        await outages.told(found[:1])
        assert await outages.untold(10) == found[1:]


async def test_what_the_disk_cannot_take_now_is_written_down_later_with_its_time(
    spool: Spool, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outages_module, "RETRY_FIRST", 0.01)
    monkeypatch.setattr(outages_module, "LONGEST_WAIT", 0.05)
    real, full = kept.note_edge, asyncio.Event()

    def note_edge(conn: Connection, edges: Sequence[Edge]) -> list[None]:
        if full.is_set():
            raise SpoolUnavailableError("the disk is full")
        return real(conn, edges)

    monkeypatch.setattr(kept, "note_edge", note_edge)
    async with keeping(spool, writer) as outages:
        outages.line_is(UP)
        assert await outages.untold(9) == []
        full.set()
        for state in (DOWN, UP):
            outages.line_is(state)
        assert await outages.untold(9) == [], "a hello does not wait for it"
        full.clear()
        await holds(outages._edges.empty, what="both edges are taken")
        assert [item[1:] for item in await outages.untold(9)] == [(2, 3)]
