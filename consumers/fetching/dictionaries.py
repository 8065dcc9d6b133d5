"""What has come lately, kept so that what is like it can come as the difference (RFC 9842): least used goes first.

What is sent again while it is kept does not travel at all.

A file is a hard link to the content, so it takes no room while a delivery still uses that. It is looked at by its hash
before it is relied on, so a file that was changed is simply removed. What a recall asked back is not kept: that is
decided inside the spool's writer, where recalls are carried out, and once more at the start.
"""

import hashlib
import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from sqlalchemy import Connection

from consumers.spool import recalls
from consumers.taking.descriptors import read_letter
from router.storage.files import sync_directory
from schemas.descriptor import MAX_DESCRIPTOR_BYTES
from schemas.encoding import MAX_DICTIONARY_BYTES
from schemas.errors import InvalidError
from schemas.events import Event

log = structlog.get_logger()
DIRECTORY_NAME = "dictionaries"
"""Under the gateway's data directory."""


@dataclass(frozen=True, slots=True)
class Came:
    """Contents that have come whole with a dispatch, by where they are."""

    dispatch_id: str
    paths: tuple[Path, ...]


class Dictionaries:
    """A directory of contents, bounded. Its methods block; they are called in threads.

    What is there is read once; from then on this object alone changes it, so that no look at the directory is needed
    for every document.

    Args:
        root: made when it is missing.
        most_bytes: what is kept; 0: nothing.
    """

    def __init__(self, root: Path, *, most_bytes: int) -> None:
        self._root = root
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = sorted(((path, path.stat()) for path in root.iterdir()), key=lambda item: item[1].st_mtime_ns)
        self._sizes = {path.name: status.st_size for path, status in found}
        """Of what is kept, what was used last at the end."""
        self._total = sum(self._sizes.values())
        self._trim()

    def holds(self, sha256: str) -> bool:
        """Whether a dictionary seems to be here; :meth:`read` looks at its bytes."""
        return sha256 in self._sizes

    def read(self, sha256: str) -> bytes | None:
        """The bytes of a dictionary; None when it is not here, or not as it was. It counts as used now."""
        if sha256 not in self._sizes:
            return None
        path = self._root / sha256
        try:
            data = path.read_bytes()
        except OSError:
            data = b""
        with self._lock:
            if hashlib.sha256(data).hexdigest() == sha256:
                self._use(path, len(data))
                return data
            self._remove(sha256)
        log.warning(Event.DICTIONARY_SPOILT, sha256=sha256)
        return None

    def lend(self, whole: Path, size: int) -> bool:
        """Put a content that is kept here where it is wanted, so that it need not come again; whether that was done.

        Args:
            whole: where it is wanted; its name is its SHA-256.
            size: bytes that it has to have.
        """
        data = self.read(whole.name)
        if data is None or len(data) != size:
            return False
        try:
            os.link(self._root / whole.name, whole)
        except OSError as error:  # it had to make room at this moment: it comes as any other
            log.info(Event.DICTIONARY_NOT_KEPT, sha256=whole.name, reason=str(error))
            return False
        sync_directory(whole.parent)
        return True

    def remember(self, conn: Connection, batches: Sequence[Came]) -> list[None]:
        """Keep what came, unless it is called back; runs in the spool's writer, see the module."""
        called = recalls.called_back_anywhere(conn, {came.dispatch_id for came in batches})
        with self._lock:
            for came in batches:
                for path in came.paths if came.dispatch_id not in called else ():
                    self._keep(path)
            self._trim()
        return [None] * len(batches)

    def forget_recalled(self, conn: Connection, batches: Sequence[Iterable[str] | None]) -> list[None]:
        """Remove what came with dispatches that are called back; None: with all such. In the writer."""
        for batch in batches:
            for body in recalls.letters_called_back(conn, None if batch is None else list(batch)):
                with self._lock:
                    for name in _contents_of(body):
                        self._remove(name)
        return [None] * len(batches)

    def _keep(self, path: Path) -> None:
        kept = self._root / path.name
        try:
            size = path.stat().st_size
            if not MAX_DESCRIPTOR_BYTES <= size <= min(MAX_DICTIONARY_BYTES, self._most_bytes):
                return
            if path.name not in self._sizes:
                kept.unlink(missing_ok=True)
                os.link(path, kept)
            self._use(kept, size)
        except OSError as error:  # gone already, or a file system without links: the next one comes whole
            log.info(Event.DICTIONARY_NOT_KEPT, sha256=path.name, reason=str(error))

    def _use(self, kept: Path, size: int) -> None:
        os.utime(kept)
        self._total += size - self._sizes.pop(kept.name, 0)
        self._sizes[kept.name] = size

    def _remove(self, name: str) -> None:
        (self._root / name).unlink(missing_ok=True)
        self._total -= self._sizes.pop(name, 0)

    def _trim(self) -> None:
        while self._total > self._most_bytes:
            self._remove(next(iter(self._sizes)))


def _contents_of(body: bytes) -> list[str]:
    try:
        return [content.sha256 for content in read_letter(body, "").contents]
    except InvalidError:  # of an older program's spool: nothing was remembered of it
        return []
