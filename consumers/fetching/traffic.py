"""The contents that are on their way: each once, however many deliveries want it, in the order that counts now."""

import asyncio
from collections.abc import Awaitable, Callable

from consumers.fetching.fetch import Transfer
from consumers.fetching.order import Choice, Share, WaitingContent, account, choose
from consumers.line.precedence import NOTHING, Precedence, Side
from consumers.spool.taking import Content


class Want:
    """A delivery that wants contents: how urgent it is, for which unit, and which of its transfers are not done."""

    def __init__(self, urgency: int, since: int, unit: str = "") -> None:
        self.urgency = urgency
        self.since = since
        self.unit = unit
        self.transfers: set[Transfer] = set()

    @property
    def remaining(self) -> int:
        """Bytes that have yet to come for it."""
        return sum(transfer.left for transfer in self.transfers)

    @property
    def waits_for(self) -> str:
        """Why one of its contents cannot be fetched now."""
        return "; ".join(sorted({transfer.waits_for for transfer in self.transfers} - {""}))


class Traffic:
    """Decides which transfers may read, see :mod:`consumers.fetching.order`; one that nobody wants any more is ended.

    Args:
        fetch: brings one transfer to its end, see :meth:`consumers.fetching.fetch.Fetcher.fetch`.
        slots: how many contents are fetched at once; asked whenever the order is decided.
        holds: whether a dictionary is here, so that less is to come.
        side: of the line that both directions share; None: it has one direction.
        lets: whether work for a unit, of an urgency, may use the line now.
    """

    def __init__(
        self,
        fetch: Callable[[Transfer], Awaitable[None]],
        *,
        slots: Callable[[], int],
        holds: Callable[[str], bool] = lambda _dictionary: False,
        side: Side | None = None,
        lets: Callable[[str, int], bool] = lambda _unit, _urgency: True,
    ) -> None:
        self._fetch = fetch
        self._slots = slots
        self._holds = holds
        self._lets = lets
        self._side = side or Precedence().side()
        self._side.on_change = self.reorder
        self._share = Share()
        self._choice = Choice(frozenset())
        self._transfers: dict[str, Transfer] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wants: dict[str, list[Want]] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}

    async def bring(self, content: Content, want: Want) -> None:
        """Return when a content is on disk, whole.

        Raises:
            FetchError: it is gone or wrong, see :meth:`consumers.fetching.fetch.Fetcher.fetch`.
        """
        transfer = self._transfers.get(content.sha256) or self._begin(content)
        self._wants[content.sha256].append(want)
        want.transfers.add(transfer)
        self.reorder()
        try:
            await asyncio.shield(self._tasks[content.sha256])
        finally:
            want.transfers.discard(transfer)
            self._leave(transfer, want)

    async def close(self) -> None:
        """Wait until the transfers that were ended so far have written what they had."""
        if self._ending:
            await asyncio.wait(self._ending.values())

    def wants_of(self, transfer: Transfer) -> list[Want]:
        """The deliveries that wait for a transfer."""
        return self._wants.get(transfer.sha256, [])

    def progressed(self, transfer: Transfer, count: int) -> None:
        """Note bytes that came; when they pay the largest its share, or use it up, the order changes."""
        if self._choice.largest is None:
            return
        before = self._share.paying
        self._share = account(self._share, count, for_largest=transfer.sha256 == self._choice.largest)
        if self._share.paying is not before:
            self.reorder()

    def reorder(self) -> None:
        """Open the way for what is to be fetched now, and close it for the rest."""
        jobs = [job for it in self._transfers.values() if not it.waits_for and (job := self._job(it)) is not None]
        floor = self._side.say(max((job.urgency for job in jobs), default=NOTHING))
        self._choice = choose(jobs, slots=self._slots(), share=self._share, floor=floor)
        for key, transfer in self._transfers.items():
            if key in self._choice.keys or transfer.waits_for:
                transfer.release()
            else:
                transfer.hold()

    def _begin(self, content: Content) -> Transfer:
        transfer = Transfer(content.sha256, content.size, dictionary=content.forms.dictionary or "")
        transfer.size = 0 if self._holds(content.sha256) else content.least(holds=self._holds)
        self._transfers[content.sha256] = transfer
        self._tasks[content.sha256] = asyncio.create_task(self._run(transfer))
        self._wants[content.sha256] = []
        return transfer

    async def _run(self, transfer: Transfer) -> None:
        """Fetch, after an earlier transfer of the same content has let go of its file."""
        if (earlier := self._ending.get(transfer.sha256)) is not None:
            await asyncio.wait([earlier])
        await self._fetch(transfer)

    def _leave(self, transfer: Transfer, want: Want) -> None:
        wants = self._wants[transfer.sha256]
        wants.remove(want)
        if not wants:
            del self._wants[transfer.sha256], self._transfers[transfer.sha256]
            self._end(transfer.sha256, self._tasks.pop(transfer.sha256))
        self.reorder()

    def _end(self, sha256: str, task: asyncio.Task[None]) -> None:
        if not task.done():
            task.cancel()
            self._ending[sha256] = task
            task.add_done_callback(lambda ended: self._forget(sha256, ended))

    def _forget(self, sha256: str, ended: asyncio.Task[None]) -> None:
        if self._ending.get(sha256) is ended:
            del self._ending[sha256]

    def _job(self, transfer: Transfer) -> WaitingContent | None:
        """What it is fetched for; None: nobody who wants it may use the line now."""
        wants = [want for want in self._wants[transfer.sha256] if self._lets(want.unit, want.urgency)]
        if not wants:
            return None
        best = min(wants, key=lambda want: (-want.urgency, want.remaining, want.since))
        return WaitingContent(transfer.sha256, best.urgency, best.remaining, best.since)
