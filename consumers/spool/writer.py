"""One thread that writes the spool: changes that wait at the same time share a transaction, and with it one fsync.

A change is a handler and an item. Items of the same handler reach it together, so handlers work on sets; a handler
gets the open connection and returns one result per item, an exception among them being that item's answer alone.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from sqlalchemy import Connection

from consumers.errors import SpoolUnavailableError
from consumers.spool.store import Spool

T = TypeVar("T")
R = TypeVar("R")
Handler = Callable[[Connection, Sequence[T]], Sequence[R | Exception]]
MAX_CHANGES = 1000
"""Most changes in one transaction. No change waits for company: what comes during a commit is in the next."""


@dataclass(frozen=True, slots=True)
class _Change:
    handler: Handler[Any, Any]
    item: Any
    answer: Future[Any]


class Writer:
    """Group commit over one spool."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._waiting: queue.SimpleQueue[_Change | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="spool-writer", daemon=True)
        self._thread.start()

    async def run(self, handler: Handler[T, R], item: T) -> R:
        """Have a change made durable and get its result. Cancelling the call does not undo the change.

        Raises:
            SpoolUnavailableError: the disk is full, or another process holds the spool for long.
            Exception: what the handler raised or returned for this item.
        """
        answer: Future[R] = Future()
        self._waiting.put(_Change(cast("Handler[Any, Any]", handler), item, answer))
        return await asyncio.wrap_future(answer)

    def close(self) -> None:
        """Finish what waits, then end the thread. Nothing may be asked of it afterwards."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        while True:
            changes, last = self._gather()
            if changes:
                self._settle(changes)
            if last:
                return

    def _gather(self) -> tuple[list[_Change], bool]:
        """What waits now, at least one change; whether the end was reached."""
        changes: list[_Change] = []
        while len(changes) < MAX_CHANGES:
            try:
                change = self._waiting.get(block=not changes)
            except queue.Empty:
                break
            if change is None:
                return changes, True
            changes.append(change)
        return changes, False

    def _settle(self, changes: list[_Change]) -> None:
        """Commit all together; when a handler fails, each alone, so that one bad item harms no other."""
        try:
            answers = self._commit(changes)
        except Exception as error:  # noqa: BLE001 - handed to the callers whose items these are
            if len(changes) > 1 and not isinstance(error, SpoolUnavailableError):
                for change in changes:
                    self._settle([change])
                return
            answers = [error] * len(changes)
        for change, answer in zip(changes, answers, strict=True):
            _tell(change.answer, answer)

    def _commit(self, changes: list[_Change]) -> list[Any]:
        """Run each handler once over its items, in the order of their first item, in one transaction."""
        groups: dict[Handler[Any, Any], list[int]] = {}
        for index, change in enumerate(changes):
            groups.setdefault(change.handler, []).append(index)
        answers: list[Any] = [None] * len(changes)
        with self._spool.writing() as conn:
            for handler, indexes in groups.items():
                results = handler(conn, [changes[index].item for index in indexes])
                for index, result in zip(indexes, results, strict=True):
                    answers[index] = result
        return answers


def _tell(answer: Future[Any], result: Any) -> None:
    if not answer.set_running_or_notify_cancel():
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)
