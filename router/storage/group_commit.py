"""One thread that writes: changes that wait at the same time share a transaction, and with it one fsync.

A change is a handler and an item. Items of the same handler reach it together, so handlers work on sets. A handler
gets the open connection and returns one result per item, an exception among them being that item's answer alone; it
must be idempotent, because a commit whose answer was lost is done again.

A failure that may be one item's meets one change alone in the end, so that it cannot stop the others.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from sqlalchemy import Connection

T = TypeVar("T")
R = TypeVar("R")
Handler = Callable[[Connection, Sequence[T]], Sequence[R | Exception]]


@dataclass(frozen=True, slots=True)
class Change:
    """What waits to be committed.

    Args:
        handler: see the module.
        item: what is to be changed.
        answer: gets the result.
        weight: rows that it changes.
    """

    handler: Handler[Any, Any]
    item: Any
    answer: asyncio.Future[Any]
    weight: int = 1


class GroupCommit:
    """Group commit over one database, for the callers of one event loop.

    Args:
        name: of the thread.
        begin: opens a transaction that is committed when its block ends.
        max_rows: most rows in one transaction (a change counts with its weight).
        linger: seconds that a transaction waits for more after its first change; 0: what comes during a commit is
            in the next.
    """

    def __init__(
        self,
        name: str,
        begin: Callable[[], AbstractContextManager[Connection]],
        *,
        max_rows: int,
        linger: float = 0.0,
    ) -> None:
        self._begin = begin
        self._max_rows = max_rows
        self._linger = linger
        self._waiting: queue.SimpleQueue[Change | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def run(self, handler: Handler[T, R], item: T, *, weight: int = 1) -> R:
        """Have a change made durable and get its result. Cancelling the call does not undo the change.

        Args:
            handler: see the module.
            item: what is to be changed.
            weight: rows that it changes.

        Raises:
            Exception: what the handler raised, or returned, for this very item; or what the database said.
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.put(Change(cast("Handler[Any, Any]", handler), item, answer, weight))
        return cast("R", await answer)

    def close(self) -> None:
        """Finish what waits, then end the thread. Nothing may be asked of it afterwards."""
        self._waiting.put(None)
        self._thread.join()

    def gathered(self) -> None:
        """Changes have left the queue for a transaction."""

    def commit(self, changes: list[Change]) -> list[Any]:
        """The transaction, and what each change gets; tried again here, where that may help."""
        return self.transact(changes)

    def meets_all(self, error: Exception) -> bool:
        """Whether a failure would meet the changes one by one as well, so that trying them alone shows nothing."""
        raise NotImplementedError

    def told(self, error: Exception) -> Exception:
        """What the callers are told of a failure."""
        return error

    def transact(self, changes: list[Change]) -> list[Any]:
        """Run each handler once over its items, in the order of their first item, in one transaction."""
        groups: dict[Handler[Any, Any], list[int]] = {}
        for index, change in enumerate(changes):
            groups.setdefault(change.handler, []).append(index)
        answers: list[Any] = [None] * len(changes)
        with self._begin() as connection:
            for handler, indexes in groups.items():
                results = handler(connection, [changes[index].item for index in indexes])
                for index, result in zip(indexes, results, strict=True):
                    answers[index] = result
        return answers

    def _work(self) -> None:
        last = False
        while not last:
            first = self._waiting.get()
            if first is None:
                return
            changes, last = self._gather(first)
            self.gathered()
            self._settle(changes)

    def _gather(self, first: Change) -> tuple[list[Change], bool]:
        """The first change and all that come within the linger, up to the most rows; whether the end was among them."""
        changes, rows = [first], first.weight
        deadline = time.monotonic() + self._linger
        while rows < self._max_rows:
            pause = deadline - time.monotonic()
            try:
                change = self._waiting.get(timeout=pause) if pause > 0 else self._waiting.get_nowait()
            except queue.Empty:
                break
            if change is None:
                return changes, True
            changes.append(change)
            rows += change.weight
        return changes, False

    def _settle(self, changes: list[Change]) -> None:
        """Commit all together; when that fails, each alone, so that one bad item harms no other."""
        try:
            answers = self.commit(changes)
        except Exception as error:  # noqa: BLE001 - handed to the callers whose items these are
            if len(changes) > 1 and not self.meets_all(error):
                for change in changes:
                    self._settle([change])
                return
            answers = [self.told(error)] * len(changes)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            changes[0].answer.get_loop().call_soon_threadsafe(_tell, changes, answers)


def _tell(changes: Sequence[Change], results: Sequence[Any]) -> None:
    """Give a commit's answers to those who still wait, all in one step of the loop: waking it costs more than a row."""
    for change, result in zip(changes, results, strict=True):
        if change.answer.done():
            continue
        if isinstance(result, Exception):
            change.answer.set_exception(result)
        else:
            change.answer.set_result(result)
