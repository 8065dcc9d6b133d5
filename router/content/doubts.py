"""Hashes the contents that units say came wrong: older gateways do not ask for that, they park and say why."""

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from router.content.store import ContentStore
from router.ledger.way.receipts import Recorded, Result
from schemas.events import Event
from schemas.states import Effect, Status

log = structlog.get_logger()
_NAMED = re.compile(r"\b[0-9a-f]{64}\b")
_MOST_WAITING = 100
"""Contents that may wait to be hashed; further doubts are dropped, the rounds over the store come to them."""


class Doubts:
    """Looks into what parked deliveries say of contents, one after the other.

    Args:
        store: whose contents.
        restore: makes a damaged content again from what else is there.
    """

    def __init__(self, store: ContentStore, restore: Callable[[ContentStore, str], bool]) -> None:
        self._store = store
        self._restore = restore
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="doubts")
        self._waiting: set[str] = set()

    def note(self, results: Sequence[Result]) -> None:
        """Receipts were recorded: the contents that a parked one names are hashed soon."""
        for item in results:
            if isinstance(item, Recorded) and _is_newly_parked(item):
                for sha256 in set(_NAMED.findall(item.entry.reason)) - self._waiting:
                    self._look_soon(sha256)

    def close(self) -> None:
        """End after the content that is being hashed."""
        self._pool.shutdown(cancel_futures=True)

    def _look_soon(self, sha256: str) -> None:
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.add(sha256)
            self._pool.submit(self._look, sha256)

    def _look(self, sha256: str) -> None:
        try:
            if self._store.size(sha256) is not None and self._store.sound(sha256, doubted=True) is None:
                self._restore(self._store, sha256)
        except Exception as error:  # noqa: BLE001 - nobody waits for it: the log has to say it
            log.warning(Event.CONTENT_SCRUB_FAILED, sha256=sha256, error=repr(error))
        finally:
            self._waiting.discard(sha256)


def _is_newly_parked(item: Recorded) -> bool:
    return item.entry.status is Status.PARKED and item.step.effect is Effect.ADVANCE
