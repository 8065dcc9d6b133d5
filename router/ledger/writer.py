"""The ledger's group commit: see :mod:`router.storage.group_commit`.

While the database is away changes wait for it. A failure that is not known to pass meets one change alone in the end,
so that it cannot stop the others; unless it is known to last, its caller is told to come again.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from tenacity import (
    RetryCallState,
    RetryError,
    Retrying,
    sleep_using_event,
    stop_when_event_set,
    wait_random_exponential,
)

from router.errors import LedgerUnavailableError
from router.ledger.engine import trouble_of
from router.ledger.log.appending import transaction
from router.process.fate import Fate, code_of, fate_of
from router.storage.group_commit import Change, GroupCommit, Handler
from schemas.events import Event

T = TypeVar("T")
R = TypeVar("R")

log = structlog.get_logger()
MAX_WAITING = 20_000
"""Changes that may wait while the database is away, so memory stays bounded; for more there is no room meanwhile."""
SLOW_SECONDS = 5.0
"""A commit that takes longer, with the wait for its answer, is reported as a database that takes no changes."""
TRIES = {Fate.CROSSED: 5, Fate.CLASHING: 2}
"""How often a transaction is tried at once when others were in the way."""


class Writer(GroupCommit):
    """Group commit over the ledger, for the callers of one event loop.

    Args:
        engine: the ledger's engine; its transactions are the writer's alone in this process.
        max_rows: most rows in one transaction (an item counts with its weight).
        linger: seconds that a transaction waits for more after its first item.
        on_commit: told rows and seconds of every commit, for the metrics.
        on_failure: told the code of every failure of the database, for the metrics.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        max_rows: int = 500,
        linger: float = 0.005,
        on_commit: Callable[[int, float], None] = lambda _rows, _seconds: None,
        on_failure: Callable[[str], None] = lambda _code: None,
    ) -> None:
        self._on_commit = on_commit
        self._on_failure = on_failure
        self.on_back: Callable[[], None] = lambda: None
        """Called in the writer's thread after a commit that had to wait for the database."""
        self._for_room: deque[asyncio.Future[None]] = deque()
        self._closing = threading.Event()
        self._failing = ""
        self._began: float | None = None
        super().__init__("ledger-writer", partial(transaction, engine), max_rows=max_rows, linger=linger)

    @property
    def state(self) -> str:
        """How the database takes changes, for everyone to see: it names a code at most."""
        if self._failing:
            return f"takes no changes ({self._failing})"
        began = self._began
        if began is not None and time.monotonic() - began > SLOW_SECONDS:
            return f"has not answered a commit for {time.monotonic() - began:.0f} s"
        return "answers"

    @property
    def available(self) -> bool:
        """Whether the database takes changes."""
        return self.state == "answers"

    async def run(self, handler: Handler[T, R], item: T, *, weight: int = 1, patient: bool = True) -> R:
        """Have a change made durable and get its result.

        While the database is away the change waits for it. Cancelling the call does not undo the change.

        Args:
            handler: see the module.
            item: what is to be changed.
            weight: rows that it changes.
            patient: wait for room when too many changes wait already; a door refuses instead, so that what it
                holds stays bounded.

        Raises:
            LedgerUnavailableError: too many changes wait, or the writer is closed, or the database failed this very
                change in a way that is not known to last.
            Exception: what the handler raised, or returned, for this very item.
        """
        while self._waiting.qsize() >= MAX_WAITING and patient and not self._closing.is_set():
            room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._for_room.append(room)
            await room
        if self._closing.is_set() or self._waiting.qsize() >= MAX_WAITING:
            raise LedgerUnavailableError("the ledger takes no more changes now")
        return await super().run(handler, item, weight=weight)

    def close(self, timeout: float = 10.0) -> None:
        """Finish what waits, then end the thread; changes that the database does not take by then fail."""
        self._waiting.put(None)
        self._thread.join(timeout)
        self._closing.set()
        self.gathered()
        self._thread.join(timeout)

    def gathered(self) -> None:
        """Wake those who wait for room; they look again themselves."""
        with suppress(IndexError):  # until there is nobody more; two threads may do this at once
            while True:
                room = self._for_room.popleft()
                room.get_loop().call_soon_threadsafe(_wake, room)

    def commit(self, changes: list[Change]) -> list[Any]:
        """The transaction, again and again while the database is away.

        Raises:
            LedgerUnavailableError: it stayed away until the writer was closed.
        """
        retrying = Retrying(
            retry=_is_worth_another_try,
            wait=wait_random_exponential(multiplier=0.1, max=2.0),
            sleep=sleep_using_event(self._closing),
            stop=stop_when_event_set(self._closing),
            before_sleep=self._note_absence,
        )
        try:
            self._began = started = time.monotonic()
            answers = retrying(self.transact, changes)
        except RetryError as error:
            raise LedgerUnavailableError("the ledger's database did not answer before the end") from error
        finally:
            self._began = None
        seconds = time.monotonic() - started
        if self._failing:
            log.info(Event.LEDGER_BACK, away_seconds=round(seconds, 1))
        if self._failing or seconds > SLOW_SECONDS:
            self.on_back()
        self._failing = ""
        self._on_commit(sum(change.weight for change in changes), seconds)
        return answers

    def meets_all(self, error: Exception) -> bool:
        """Whether the ledger takes nothing, whatever the change."""
        return isinstance(error, LedgerUnavailableError)

    def told(self, error: Exception) -> Exception:
        """What the caller of a change is told of its failure."""
        if isinstance(error, DBAPIError) and fate_of(error) in {Fate.UNKNOWN, Fate.CROSSED}:
            log.warning(Event.LEDGER_TROUBLE, code=code_of(error), error=str(error.orig))
            trouble = trouble_of(error)
            trouble.__cause__ = error
            return trouble
        return error

    def _note_absence(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if error is None:
            return
        code = code_of(error)
        self._on_failure(code)
        if fate_of(error) is Fate.AWAY:
            if self._failing != code:
                log.warning(Event.LEDGER_UNAVAILABLE, code=code, error=str(error))
            self._failing = code


def _is_worth_another_try(state: RetryCallState) -> bool:
    """Whether the transaction is tried again as it is: without end while the database is away."""
    error = state.outcome.exception() if state.outcome else None
    if error is None:
        return False
    fate = fate_of(error)
    return fate is Fate.AWAY or state.attempt_number < TRIES.get(fate, 1)


def _wake(room: "asyncio.Future[None]") -> None:
    if not room.done():
        room.set_result(None)
