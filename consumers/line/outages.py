"""When the line was down: noted in the spool as it happens, so that a kill loses none, and told to the router.

A line is down when the broker's connection went and until it is made again. A stall alone is no outage: a server that
does not answer stalls its content, too. Nor is a stop of this program; the router notices the silence.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential_jitter

from consumers.errors import SpoolUnavailableError
from consumers.line.state import LineState
from consumers.spool import Spool, Writer, outages
from consumers.spool.outages import Down, Edge
from schemas.clock import now_ms
from schemas.events import Event

log = structlog.get_logger()
LONGEST_WAIT = 2.0
"""Seconds that a hello waits for the spool."""
RETRY_FIRST, RETRY_LONGEST = 1.0, 30.0


class EdgeFinder:
    """Finds the edges of outages in the line's states.

    A drop is noticed late: after seconds of silence where content should come, after a minute where none does, after
    hours when the machine slept. So an outage begins when the line was alive last.
    """

    def __init__(self) -> None:
        self._up = False

    def edge_of(self, state: LineState, now: int, *, alive_at: int) -> Edge | None:
        """The edge that a new state of the line means; None: it means none.

        Args:
            state: of the line.
            now: UTC milliseconds.
            alive_at: when the line is known to have carried anything last; 0: not known.
        """
        if state is LineState.STALLED or (state is LineState.UP) is self._up:
            return None
        self._up = state is LineState.UP
        return Edge(up=self._up, at=now if self._up else min(now, alive_at or now))


class Outages:
    """Keeps the outages of the line until they are reported.

    Args:
        spool: where they are kept.
        writer: of that spool.
        alive_at: when the line is known to have carried anything last, UTC milliseconds.
        clock: the present, UTC milliseconds.
    """

    def __init__(
        self,
        spool: Spool,
        writer: Writer,
        *,
        alive_at: Callable[[], int] = lambda: 0,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._spool = spool
        self._writer = writer
        self._alive_at = alive_at
        self._clock = clock
        self._finder = EdgeFinder()
        self._edges: asyncio.Queue[Edge] = asyncio.Queue()

    def line_is(self, state: LineState) -> None:
        """The line's state has changed."""
        edge = self._finder.edge_of(state, self._clock(), alive_at=self._alive_at())
        if edge is not None:
            self._edges.put_nowait(edge)

    async def run(self) -> None:
        """Write down what happens to the line; never returns."""
        while True:
            edge = await self._edges.get()
            try:
                await self._note(edge)
            finally:
                self._edges.task_done()

    async def untold(self, limit: int) -> list[Down]:
        """The oldest outages that have ended and that no broker has confirmed, up to this moment.

        What the spool takes long to write down is reported the next time.

        Raises:
            SpoolUnavailableError: the spool cannot be read now.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_WAIT):
                await self._edges.join()
        return await asyncio.to_thread(self._untold, limit)

    async def told(self, told: Sequence[Down]) -> None:
        """Forget outages that a broker has confirmed.

        Raises:
            SpoolUnavailableError: the spool cannot be written now; they are reported again.
        """
        if told:
            await self._writer.run(outages.forget, [item.pos for item in told])

    async def _note(self, edge: Edge) -> None:
        """Write an edge down; while the disk is full it waits, with its time, and so do those after it."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(SpoolUnavailableError),
            wait=wait_exponential_jitter(multiplier=RETRY_FIRST, max=RETRY_LONGEST, jitter=RETRY_FIRST),
            before_sleep=_note_trouble,
        )
        await retrying(self._writer.run, outages.note_edge, edge)

    def _untold(self, limit: int) -> list[Down]:
        with self._spool.reading() as conn:
            return outages.untold(conn, limit=limit)


def _note_trouble(state: RetryCallState) -> None:
    log.warning(Event.SPOOL_UNAVAILABLE, reason=str(state.outcome and state.outcome.exception()))
