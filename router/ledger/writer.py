"""One thread that writes: changes that wait at the same time share a transaction, and with it one fsync.

A change is a handler and an item. Items of the same handler reach it together, so handlers work on sets. A handler
gets the open connection and returns one result per item; it must be idempotent, because a commit whose answer was
lost is done again.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import structlog
from sqlalchemy import Connection, Engine
from tenacity import (
    RetryCallState,
    RetryError,
    Retrying,
    retry_if_exception,
    sleep_using_event,
    stop_when_event_set,
    wait_random_exponential,
)

from router.errors import LedgerUnavailableError
from router.ledger.engine import is_unavailable
from schemas.events import Event

T = TypeVar("T")
R = TypeVar("R")
Handler = Callable[[Connection, Sequence[T]], Sequence[R | Exception]]

log = structlog.get_logger()
MAX_WAITING = 20_000
"""Changes that may wait while the database is away; more are refused, so memory stays bounded."""


@dataclass(frozen=True, slots=True)
class _Change:
    handler: Handler[Any, Any]
    item: Any
    answer: asyncio.Future[Any]
    weight: int


class Writer:
    """Group commit over one database, for the callers of one event loop.

    Args:
        engine: the ledger's engine; its transactions are the writer's alone in this process.
        max_rows: most rows in one transaction (an item counts with its weight).
        linger: seconds that a transaction waits for company after its first item.
        on_commit: told rows and seconds of every commit, for the metrics.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        max_rows: int = 500,
        linger: float = 0.005,
        on_commit: Callable[[int, float], None] = lambda _rows, _seconds: None,
    ) -> None:
        self._engine = engine
        self._max_rows = max_rows
        self._linger = linger
        self._on_commit = on_commit
        self._waiting: queue.SimpleQueue[_Change | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self.available = True
        """False while the database does not answer."""
        self._thread = threading.Thread(target=self._work, name="ledger-writer", daemon=True)
        self._thread.start()

    async def run(self, handler: Handler[T, R], item: T, *, weight: int = 1) -> R:
        """Have a change made durable and get its result.

        While the database is away the change waits for it. Cancelling the call does not undo the change.

        Raises:
            LedgerUnavailableError: too many changes wait already, or the writer is closed.
            Exception: what the handler raised, or returned, for this very item.
        """
        if self._closing.is_set() or self._waiting.qsize() >= MAX_WAITING:
            raise LedgerUnavailableError("the ledger takes no more changes now")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.put(_Change(handler, item, answer, weight))
        return cast("R", await answer)

    def close(self, timeout: float = 10.0) -> None:
        """Finish what waits, then end the thread; changes that the database does not take by then fail."""
        self._waiting.put(None)
        self._thread.join(timeout)
        self._closing.set()
        self._thread.join(timeout)

    def _work(self) -> None:
        while True:
            first = self._waiting.get()
            if first is None:
                return
            changes, last = self._gather(first)
            self._settle(changes)
            if last:
                return

    def _gather(self, first: _Change) -> tuple[list[_Change], bool]:
        """The first change and all that come within the linger, up to the most rows; whether the end was among them."""
        changes, rows = [first], first.weight
        deadline = time.monotonic() + self._linger
        while rows < self._max_rows:
            try:
                change = self._waiting.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if change is None:
                return changes, True
            changes.append(change)
            rows += change.weight
        return changes, False

    def _settle(self, changes: list[_Change]) -> None:
        """Commit all together; when a handler fails, each alone, so that one bad item harms no other."""
        try:
            answers = self._commit(changes)
        except Exception as error:  # noqa: BLE001 - handed to the callers whose items these are
            if len(changes) > 1 and not isinstance(error, LedgerUnavailableError):
                for change in changes:
                    self._settle([change])
                return
            answers = [error] * len(changes)
        loop = changes[0].answer.get_loop()
        loop.call_soon_threadsafe(_tell, changes, answers)

    def _commit(self, changes: list[_Change]) -> list[Any]:
        """The transaction, again and again while the database is away.

        Raises:
            LedgerUnavailableError: it stayed away until the writer was closed.
        """
        retrying = Retrying(
            retry=retry_if_exception(is_unavailable),
            wait=wait_random_exponential(multiplier=0.1, max=2.0),
            sleep=sleep_using_event(self._closing),
            stop=stop_when_event_set(self._closing),
            before_sleep=self._note_absence,
        )
        try:
            started = time.monotonic()
            answers = retrying(self._transact, changes)
        except RetryError as error:
            raise LedgerUnavailableError("the ledger's database did not answer before the end") from error
        self.available = True
        self._on_commit(sum(change.weight for change in changes), time.monotonic() - started)
        return answers

    def _transact(self, changes: list[_Change]) -> list[Any]:
        """Run each handler once over its items, in the order of their first item, in one transaction."""
        groups: dict[Handler[Any, Any], list[int]] = {}
        for index, change in enumerate(changes):
            groups.setdefault(change.handler, []).append(index)
        answers: list[Any] = [None] * len(changes)
        with self._engine.begin() as connection:
            for handler, indexes in groups.items():
                results = handler(connection, [changes[index].item for index in indexes])
                for index, result in zip(indexes, results, strict=True):
                    answers[index] = result
        return answers

    def _note_absence(self, state: RetryCallState) -> None:
        if self.available:
            log.warning(Event.LEDGER_UNAVAILABLE, error=str(state.outcome and state.outcome.exception()))
        self.available = False


def _tell(changes: Sequence[_Change], results: Sequence[Any]) -> None:
    """Give a commit's answers to those who still wait, all in one step of the loop: waking it costs more than a row."""
    for change, result in zip(changes, results, strict=True):
        if change.answer.done():
            continue
        if isinstance(result, Exception):
            change.answer.set_exception(result)
        else:
            change.answer.set_result(result)
