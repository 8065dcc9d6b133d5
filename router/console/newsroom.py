"""What comes into the log, for all who watch it: read by one reader, kept a while, each row made once in a language."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from time import monotonic

from router.broker.backoff import sleep_unless
from router.console.pages import environment_of
from router.console.reads import look
from router.errors import LedgerUnavailableError
from router.faces import Services
from router.ledger.people.persons import SESSIONS
from router.ledger.queries import Filter, LogEntry, log_tail
from router.ledger.queries.log_tail import Fresh, LogTail
from router.ledger.scope import Scope
from router.pages.people import Person
from router.rules.number_ranges import Received
from schemas.clock import now_ms

LOOK_EVERY = 0.5
"""Seconds between two looks at the log's end, while somebody watches."""
RIGHTS_EVERY = 2.0
"""Seconds between two looks at the sessions and rights of all who watch."""
KEPT = 5000
"""Entries kept for clients that are slower than the log; whoever is slower still reads the ledger as after a cut."""


@dataclass(frozen=True, slots=True)
class ClientView:
    """What a client wants to see; clients with the same view get the same bytes."""

    scope: Scope
    wanted: Filter
    language: str


@dataclass(frozen=True, slots=True)
class News:
    """Events for a client, where it goes on, and what it has got with them."""

    text: bytes
    index: int
    seen: Received


@dataclass(eq=False, slots=True)
class Watcher:
    """A stream's session; ``is_allowed`` until it has ended, or its person's rights are not those it began with."""

    token: str
    person: Person
    is_allowed: bool = True


class Newsroom:
    """Serves all streams of one process; reads only while somebody watches."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._reading: asyncio.Task[None] | None = None
        self._watchers: set[Watcher] = set()
        self._changed = asyncio.Event()
        self._forget()

    def _forget(self) -> None:
        self._tail = LogTail()
        self._is_ready = False
        self._seen = Received()
        self._first = 0
        self._kept: deque[Fresh] = deque()
        self._rows: dict[tuple[int, str], bytes] = {}
        self._made: dict[tuple[int, ClientView], News] = {}

    @property
    def is_open(self) -> bool:
        """Whether the process goes on."""
        return not self._services.stopping.is_set()

    @property
    def end(self) -> tuple[int, Received]:
        """The index of the next entry, and all that has come in before it."""
        return self._first + len(self._kept), self._seen

    @contextlib.asynccontextmanager
    async def watched(self, token: str, person: Person) -> AsyncIterator[Watcher]:
        """Read the log's end, and look at the session of a token and at its person's rights, while the block lasts."""
        watcher = Watcher(token, person)
        self._watchers.add(watcher)
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        try:
            yield watcher
        finally:
            self._watchers.remove(watcher)
            if not self._watchers:
                self._reading.cancel()
                self._reading = None
                self._forget()

    async def opens(self) -> bool:
        """Wait until the log's end is known; false: the process is about to end."""
        return await self._wait(lambda: self._is_ready, None)

    async def grows(self, index: int, within: float, watcher: Watcher) -> bool:
        """Wait until there is an entry of an index, at most so many seconds; false: the stream ends."""
        return await self._wait(lambda: self.end[0] > index or not watcher.is_allowed, within) and watcher.is_allowed

    async def catches_up(self, has: Received, within: float) -> bool:
        """Wait until all has come in that a client has got, which may have had it from another process before."""
        return await self._wait(lambda: self._seen.joined(has) == self._seen, within)

    async def _wait(self, holds: Callable[[], bool], within: float | None) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self.is_open and not holds():
                    await self._changed.wait()
        return self.is_open

    def _tell(self) -> None:
        """Wake all who wait: each looks at an event of its own time, so none is missed."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def rests(self) -> None:
        """Wait a little for a ledger that does not answer."""
        await sleep_unless(self._services.stopping, LOOK_EVERY)

    def news(self, index: int, view: ClientView) -> News | None:
        """What a view shows of the entries from an index on; None: they are not kept any more."""
        if index < self._first:
            return None
        found = self._made.get((index, view))
        if found is None:
            new = [self._kept[place] for place in range(index - self._first, len(self._kept))]
            shown = [fresh for fresh in new if log_tail.fits(fresh, view.scope, view.wanted)]
            text = b"".join(self.event(fresh.entry, fresh.seen, view.language) for fresh in shown)
            end, seen = self.end
            found = self._made[index, view] = News(text, end, seen)
        return found

    def event(self, entry: LogEntry, seen: Received, language: str) -> bytes:
        """An entry as an event."""
        return b"id: %s\n%s" % (log_tail.name_of(seen).encode(), self._row(entry, language))

    @staticmethod
    def nothing(seen: Received) -> bytes:
        """An event that shows nothing: it only says what the client has got, and that there is life."""
        return b"id: %s\n\n" % log_tail.name_of(seen).encode()

    def _row(self, entry: LogEntry, language: str) -> bytes:
        key = (entry.pos, language)
        if key not in self._rows:
            if len(self._rows) > 2 * KEPT:
                self._rows.clear()
            template = environment_of(language, self._services.timezone).get_template("parts.html")
            row = template.module.log_row(entry, self._services.organisation.directory)  # type: ignore[attr-defined]
            self._rows[key] = f"event: row\ndata: {' '.join(str(row).split())}\n\n".encode()
        return self._rows[key]

    async def _read(self) -> None:
        stopping = asyncio.create_task(self._services.stopping.wait())
        rights_due = monotonic()
        try:
            while not stopping.done():
                with contextlib.suppress(LedgerUnavailableError):  # the streams wait for it as for any news
                    if monotonic() >= rights_due:
                        rights_due = monotonic() + RIGHTS_EVERY
                        await self._look_at_rights()
                    await self._read_once()
                await asyncio.wait([stopping], timeout=LOOK_EVERY)
        finally:
            stopping.cancel()
            self._tell()

    async def _look_at_rights(self) -> None:
        watchers = list(self._watchers)
        tokens = {watcher.token for watcher in watchers}
        found = await look(self._services, lambda conn: SESSIONS.persons_of(conn, tokens, now_ms=now_ms()))
        for watcher in watchers:
            watcher.is_allowed &= found.get(watcher.token) == watcher.person
        if not all(watcher.is_allowed for watcher in watchers):
            self._tell()

    async def _read_once(self) -> None:
        tail = self._tail
        fresh = await look(self._services, tail.read)
        was_ready, self._is_ready = self._is_ready, True
        before, self._seen = self._seen, tail.seen
        self._made.clear()
        self._kept.extend(fresh)
        while len(self._kept) > KEPT:
            self._kept.popleft()
            self._first += 1
        if fresh or not was_ready or self._seen != before:
            self._tell()
