"""Works through the inbox, most urgent first: takes what waits from the spool and sees each on its way.

A delivery is in one of three places: it waits in the spool, it is in work here, or it has ended. What is in work is
known to this process alone: after a crash it waits again, and the sink, idempotent by delivery id, may see it twice.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from functools import partial

from consumers.delivering.errand import Errand, Errands
from consumers.fetching.fetch import Transfer
from consumers.fetching.traffic import Traffic
from consumers.spool import Spool, work
from consumers.spool.recalls import Recalled
from consumers.spool.work import Outlook
from schemas.clock import now_ms
from schemas.dispatch import Lane
from schemas.line import Held

WINDOW = 200
"""Deliveries of one lane in work at once; the rest waits in the spool, so memory stays flat."""
LONGEST_REST = 60.0
SHORTEST_REST = 0.01
FINISH_SECONDS = 5.0
"""What a hand-over that is under way gets to finish when the gateway stops."""


class Courier:
    """Keeps errands running.

    Args:
        spool: whose inbox.
        traffic: what the errands fetch by.
        errands: how one is run.
        closed: the units for which nothing but express work is fetched now.
        resting: the units for which another gateway works: nothing of theirs is fetched or handed over.
    """

    def __init__(
        self,
        spool: Spool,
        traffic: Traffic,
        errands: Errands,
        *,
        closed: Callable[[], Collection[str]] = frozenset,
        resting: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        self._spool = spool
        self._traffic = traffic
        self._errands = errands
        self._closed = closed
        self._resting = resting
        self._in_work: dict[Lane, dict[int, Errand]] = {lane: {} for lane in Lane}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._notes: set[asyncio.Task[None]] = set()
        self._more = dict.fromkeys(Lane, False)
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Something waits in the inbox."""
        self._woken.set()

    async def run(self) -> None:
        """Work until cancelled; hand-overs under way get a moment to finish."""
        try:
            while True:
                self._woken.clear()
                moments = [await self._load(lane) for lane in (Lane.EXPRESS, Lane.NORMAL)]
                await self._rest([moment for moment in moments if moment is not None])
        finally:
            await self._stop()

    def waits(self, transfer: Transfer) -> None:
        """A transfer began or ceased to wait for more than its turn: the inbox shows why."""
        self._traffic.reorder()
        affected = self._traffic.wants_of(transfer)
        for errand in self.in_work():
            if errand.want in affected:
                self._spawn(self._errands.note_wait(errand))

    def in_work(self) -> list[Errand]:
        """The deliveries that are on their way to their sink now."""
        return [errand for errands in self._in_work.values() for errand in errands.values()]

    def held(self) -> list[Held]:
        """How far those that are fetched have come."""
        return [held for errand in self.in_work() if (held := errand.held()) is not None]

    def drop(self, recalled: Recalled) -> None:
        """Let go of deliveries that a recall has ended, and of what came for them."""
        self._spawn(self._drop(recalled))

    async def _drop(self, recalled: Recalled) -> None:
        tasks = [self._tasks[pos] for pos in recalled.positions if pos in self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._traffic.close()
        await self._errands.release(recalled.contents)

    def _spawn(self, note: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(note)
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    async def _load(self, lane: Lane) -> int | None:
        """Begin with what waits in a lane, as far as there is room; when the next may begin (UTC milliseconds)."""
        in_work = self._in_work[lane]
        room = WINDOW - len(in_work)
        if room < WINDOW // 2:
            self._more[lane] = True  # perhaps: nobody has looked
            return None
        closed = self._closed() if lane is Lane.NORMAL else ()
        resting = list(self._resting())
        found = await asyncio.to_thread(self._outlook, lane, room, list(in_work), list(closed), resting)
        self._more[lane] = len(found.ready) >= room
        for item in found.ready:
            in_work[item.pos] = errand = Errand(item)
            self._tasks[item.pos] = task = asyncio.create_task(self._errands.run(errand))
            task.add_done_callback(partial(self._done, errand))
        return found.next_at

    def _outlook(
        self, lane: Lane, limit: int, without: Sequence[int], closed: Sequence[str], resting: Sequence[str]
    ) -> Outlook:
        with self._spool.reading() as conn:
            return work.outlook(conn, lane, limit=limit, without=without, closed=closed, resting=resting)

    def _done(self, errand: Errand, _task: asyncio.Task[None]) -> None:
        """An errand is over, or was dropped before it began; look again when that made room, or it waits again."""
        del self._in_work[errand.lane][errand.item.pos], self._tasks[errand.item.pos]
        if self._more[errand.lane] or not errand.ended:
            self._woken.set()

    async def _rest(self, moments: Collection[int]) -> None:
        pause = min([(moment - now_ms()) / 1000 for moment in moments] + [LONGEST_REST])
        try:
            async with asyncio.timeout(max(pause, SHORTEST_REST)):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _stop(self) -> None:
        for errand in self.in_work():
            if not errand.handing_over:
                self._tasks[errand.item.pos].cancel()
        tasks = [*self._tasks.values(), *self._notes]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=FINISH_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._traffic.close()
