"""Hashes all stored contents again and again, slowly: bits that rot change neither a file's size nor its time.

One router of those that share a store does it at a time. How far it has come lies in ``<root>/scrub.json``, so a
restart goes on where it was.
"""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog
from pydantic import BaseModel, ValidationError

from router.content.store import ContentStore, State
from router.process.threads import slowly
from schemas.events import Event

log = structlog.get_logger()
SLICE_SECONDS = 20.0
"""A call of :meth:`Scrub.go_on` lasts so long, and about one more file."""


class Round(BaseModel):
    """One round over the store: when it began (seconds since 1970), the last name that was hashed, and counts."""

    began_at: float = 0.0
    after: str = ""
    over: bool = True
    hashed: int = 0
    damaged: int = 0


class StoppedError(Exception):
    """The router ends in the middle of a file."""


@dataclass(slots=True)
class ReadingPace:
    """Waits so that no more bytes are read than are allowed.

    Args:
        rate: bytes per second.
        stopping: ends the waiting.
    """

    rate: int
    stopping: threading.Event
    _free_at: float = 0.0

    def __call__(self, count: int) -> None:
        """So many bytes were read.

        Raises:
            StoppedError: the router ends.
        """
        now = time.monotonic()
        self._free_at = max(self._free_at, now) + count / self.rate
        if self.stopping.wait(self._free_at - now):
            raise StoppedError


class Scrub:
    """The rounds over one store. Its methods block; they are called in threads.

    Args:
        store: whose contents.
        rate: bytes per second; 0: nothing is done.
        every: seconds from the beginning of a round to that of the next.
        forms: hashes the forms of a content.
        restore: makes a damaged content again from what else is there.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        store: ContentStore,
        *,
        rate: int,
        every: float,
        forms: Callable[[ContentStore, str, Callable[[int], None]], object],
        restore: Callable[[ContentStore, str], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._rate = rate
        self._every = every
        self._forms = forms
        self._restore = restore
        self._clock = clock
        self._stopping = threading.Event()
        self._file = store.root / "scrub.json"

    def stop(self) -> None:
        """End what is in work, at once."""
        self._stopping.set()

    def go_on(self) -> None:
        """Hash for a while, if a round is under way or due and no other router does so."""
        if not self._rate or self._stopping.is_set():
            return
        try:
            with _alone(self._store.root / "scrub.lock") as alone:
                if alone:
                    self._work(time.monotonic() + SLICE_SECONDS)
        except StoppedError:
            return
        except OSError as error:
            log.warning(Event.CONTENT_SCRUB_FAILED, error=str(error))

    async def look(self) -> None:
        """:meth:`go_on`, in a thread for what is slow."""
        await slowly(self.go_on)

    def _work(self, until: float) -> None:
        at = self._read()
        now = self._clock()
        if at.over:
            if at.began_at <= now < at.began_at + self._every:
                return
            at = Round(began_at=now, over=False)
        pace = ReadingPace(self._rate, self._stopping)
        for sha256 in self._store.names(at.after):
            at.damaged += self._is_damaged(sha256, pace)
            at.hashed += 1
            at.after = sha256
            if time.monotonic() > until:
                self._write(at)
                return
        at.over, at.after = True, ""
        self._write(at)
        log.info(Event.CONTENT_SCRUBBED, contents=at.hashed, damaged=at.damaged)

    def _is_damaged(self, sha256: str, pace: ReadingPace) -> bool:
        state = self._store.verify(sha256, pace)
        self._forms(self._store, sha256, pace)
        if state is State.DAMAGED:
            self._restore(self._store, sha256)
        return state is State.DAMAGED

    def _read(self) -> Round:
        try:
            return Round.model_validate_json(self._file.read_bytes())
        except (FileNotFoundError, ValidationError):  # half of it, after a power cut: a new round begins
            return Round()

    def _write(self, at: Round) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(at.model_dump_json())
        new.rename(self._file)


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[bool]:
    """Whether no other process hashes now; none does until the block ends."""
    fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(fd)
