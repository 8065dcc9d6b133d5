"""Removes the contents that no dispatch names, some days after they came.

Nothing that a submission is about to name is removed, whichever router it came to. A submission touches each content
that it names before it looks at it, unless the file is younger than half the time that contents are kept; and a file
is removed under the lock under which it is touched, after its age was looked at there once more. So a content that was
looked at is young for half that time at least, which is days, and a submission lasts seconds: by then the ledger names
it. What comes later finds no file, and is told to bring it. The ledger is asked after a file was found to be old,
never before, and a crash between leaves a file that the next round finds again.

While gateways speak of dispatches that the ledger has forgotten, nothing is removed: it does not know what they name.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import structlog
from sqlalchemy import Engine

from router.content.store import ContentStore
from router.ledger.engine import reading, writing
from router.ledger.recovery import forgotten
from router.ledger.way import holders, retention
from schemas.events import Event

log = structlog.get_logger()
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Collected:
    """A content that no dispatch names: its name, its bytes, and when it came (seconds since 1970)."""

    sha256: str
    size: int
    came_at: float


class Collector:
    """The rounds over one store. Its methods block.

    Args:
        engine: the ledger.
        store: whose contents.
        kept: seconds that a content is kept which no dispatch names.
        clock: seconds since 1970.
    """

    def __init__(
        self, engine: Engine, store: ContentStore, *, kept: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._engine = engine
        self._store = store
        self._kept = kept
        self._clock = clock

    def collect(self, *, dry_run: bool = False) -> Iterator[Collected]:
        """Remove what nobody names; yields each one, in a dry run those that would be removed.

        Raises:
            LedgerUnavailableError: the ledger cannot be asked.
        """
        with reading(self._engine) as conn:
            if forgotten.is_older(conn):
                log.warning(Event.CONTENT_KEPT_BACK)
                return
        before = self._clock() - self._kept
        names, count, total = self._store.names(), 0, 0
        while batch := list(islice(names, _AT_ONCE)):
            for item in self._collect(batch, before, dry_run=dry_run):
                count, total = count + 1, total + item.size
                yield item
        if dry_run:
            return
        self._forget_damaged(before)
        with writing(self._engine) as conn:
            holders.forget_unnamed(conn, round(before * 1000))
        if count:
            log.info(Event.CONTENT_COLLECTED, contents=count, size=total)

    def run(self) -> int:
        """Remove what nobody names; how many contents that were."""
        return sum(1 for _ in self.collect())

    def _collect(self, batch: Sequence[str], before: float, *, dry_run: bool) -> Iterator[Collected]:
        old = {item.sha256: item for item in map(self._look, batch) if item is not None and item.came_at < before}
        if not old:
            return
        stay = []
        for sha256 in self._free(list(old), dry_run=dry_run):
            if dry_run or self._store.remove(sha256, unless_since=before):
                yield old[sha256]
            else:
                stay.append(sha256)
        if stay:
            with writing(self._engine) as conn:
                retention.put_back(conn, stay)

    def _forget_damaged(self, before: float) -> None:
        """Drop what was put aside long ago and nobody needs: its bytes need not come again."""
        old = [item.sha256 for item in self._store.damaged() if item.since < before]
        for sha256 in self._free(old):
            self._store.remove(sha256, unless_since=before)

    def _free(self, names: Sequence[str], *, dry_run: bool = False) -> list[str]:
        """Those that may be removed; unless it is a dry run, the ledger has them as removed from then on."""
        if dry_run:
            with reading(self._engine) as conn:
                return retention.free_to_go(conn, names)
        with writing(self._engine) as conn:
            return retention.mark_removed(conn, names)

    def _look(self, sha256: str) -> Collected | None:
        try:
            status = self._store.path(sha256).stat()
        except FileNotFoundError:
            return None
        return Collected(sha256, status.st_size, status.st_mtime)
