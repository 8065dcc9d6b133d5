"""One file on its way into the content store: streamed, hashed as it passes, durable before it gets its name."""

import asyncio
import hashlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from router.content.disk import READ_ONLY, Mark, Verified, disk_full_told, locked_file
from router.errors import ContentMismatchError, TooLargeError
from router.storage.files import write_all

if TYPE_CHECKING:
    from router.content.store import ContentStore

CHUNK_BYTES = 256 * 1024
"""Bytes gathered before a thread hashes and writes them: large enough that the hop to the thread costs little."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Content that is in the store: its name, its size in bytes, and whether it was not there before."""

    sha256: str
    size: int
    created: bool


class ContentWriter:
    """One file on its way into the store; as a context manager it leaves nothing behind unless committed.

    Its methods are awaited one after the other by one task. Memory stays at one chunk.
    """

    def __init__(self, store: "ContentStore", *, max_bytes: int) -> None:
        self.size = 0
        self._store = store
        self._max_bytes = max_bytes
        self._digest = hashlib.sha256()
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        # A cancelled task leaves its thread at work: the lock keeps it from a file that is being closed.
        self._lock = threading.RLock()
        self._closed = False
        self._path = Path()
        self._fd = -1

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.abort()

    def check_size(self, size: int) -> None:
        """Refuse a size above the limit.

        Raises:
            TooLargeError: with the limit.
        """
        if size > self._max_bytes:
            raise TooLargeError(f"the file has more than {self._max_bytes} bytes, the most that is accepted here")

    def open(self, expected_bytes: int) -> None:
        """Make and lock the temporary file (in a thread)."""
        with self._lock, disk_full_told():
            self._require_open()
            self._store.require_room(expected_bytes)
            self._path, self._fd = locked_file(self._store.incoming)

    async def write(self, chunk: bytes) -> None:
        """Append bytes.

        Raises:
            TooLargeError: more bytes than the limit.
            ContentFullError: no room is left.
        """
        self.size += len(chunk)
        self.check_size(self.size)
        self._pending.append(chunk)
        self._pending_bytes += len(chunk)
        if self._pending_bytes >= CHUNK_BYTES:
            await asyncio.to_thread(self._append, self._take_pending())

    async def seal(self, expected_sha256: str | None = None) -> str:
        """Make the content durable, so that nothing but its name is missing; its SHA-256.

        Args:
            expected_sha256: the hash that the sender says the bytes have.

        Raises:
            ContentMismatchError: they have another one.
            ContentFullError: no room is left.
        """
        return await asyncio.to_thread(self._seal, self._take_pending(), expected_sha256)

    async def commit(self, expected_sha256: str | None = None) -> Stored:
        """Make the content durable, then name it.

        Args:
            expected_sha256: as for :meth:`seal`.

        Raises:
            ContentMismatchError: the bytes have another hash.
            ContentFullError: no room is left.
        """
        return await asyncio.to_thread(self._finish, self._take_pending(), expected_sha256)

    async def abort(self) -> None:
        """Drop what was written; does nothing after a commit."""
        if not self._closed:
            # Submitted at once and shielded: a cancelled request still cleans up behind it.
            await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self._discard))

    def _take_pending(self) -> bytes:
        chunk = b"".join(self._pending)
        self._pending, self._pending_bytes = [], 0
        return chunk

    def _append(self, chunk: bytes) -> None:
        with self._lock, disk_full_told():
            self._require_open()
            self._digest.update(chunk)
            self._store.require_room(len(chunk))
            write_all(self._fd, chunk)

    def _seal(self, rest: bytes, expected: str | None) -> str:
        with self._lock, disk_full_told():
            self._append(rest)
            sha256 = self._digest.hexdigest()
            if expected is not None and sha256 != expected:
                raise ContentMismatchError(f"the {self.size} bytes have the SHA-256 {sha256}, not {expected}")
            os.fchmod(self._fd, READ_ONLY)
            os.fsync(self._fd)
            return sha256

    def _finish(self, rest: bytes, expected: str | None) -> Stored:
        with self._lock, disk_full_told():
            sha256 = self._seal(rest, expected)
            created = self._store.adopt(Verified(self._path, sha256, Mark.of(os.fstat(self._fd))))
            self._close()
            return Stored(sha256, self.size, created)

    def _discard(self) -> None:
        with self._lock:
            if self._fd >= 0:
                self._path.unlink(missing_ok=True)
            self._close()

    def _close(self) -> None:
        self._closed = True
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _require_open(self) -> None:
        if self._closed:
            raise ValueError("the writer was committed or aborted; begin a new one")
