"""Attachments by hash: streamed to disk, durable before they are named, stored once whatever they are called.

A file lies at ``<root>/ab/cd/<sha256>``. It is written under ``<root>/incoming`` first, so a name under which content
is found always means: every byte is there and on the disk. A writer holds a lock on its temporary file; the kernel
drops the lock with the process, so what is not locked belongs to nobody and is swept at the next start.
"""

import asyncio
import errno
import fcntl
import hashlib
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from router.errors import ContentFullError, ContentMismatchError, TooLargeError
from schemas.attachment import MAX_ATTACHMENT_BYTES
from schemas.events import Event
from schemas.ids import new_id

CHUNK_BYTES = 256 * 1024
"""Bytes gathered before a thread hashes and writes them: large enough that the hop to the thread costs little."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Stored:
    """Content that is in the store: its name, its size in bytes, and whether it was not there before."""

    sha256: str
    size: int
    created: bool


class ContentStore:
    """A directory of files named by their SHA-256.

    Several processes may share it, over any file system with ``flock``, rename and fsync.

    Args:
        root: the store's directory; made when missing.
        reserve_bytes: free space that is never used; below it nothing is accepted.
    """

    def __init__(self, root: Path, *, reserve_bytes: int) -> None:
        self.root = root
        self.reserve_bytes = reserve_bytes
        self.incoming = root / "incoming"
        self.incoming.mkdir(parents=True, exist_ok=True)
        self._sweep()

    def path(self, sha256: str) -> Path:
        """Where content lies, or would lie.

        Raises:
            ValueError: the text is not a SHA-256 in lower-case hex.
        """
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"{sha256[:80]!r} is not a SHA-256 in lower-case hex")
        return self.root / sha256[:2] / sha256[2:4] / sha256

    def size(self, sha256: str) -> int | None:
        """The bytes of stored content, or None when it is not here."""
        try:
            return self.path(sha256).stat().st_size
        except FileNotFoundError:
            return None

    async def begin(self, *, expected_bytes: int = 0, max_bytes: int = MAX_ATTACHMENT_BYTES) -> "ContentWriter":
        """Open a new file for streaming.

        Args:
            expected_bytes: the size when it is known, so that a hopeless upload ends before it begins.
            max_bytes: the size above which the writer refuses.

        Raises:
            TooLargeError: ``expected_bytes`` is above ``max_bytes``.
            ContentFullError: there is no room.
        """
        writer = ContentWriter(self, max_bytes=max_bytes)
        writer.check_size(expected_bytes)
        try:
            await asyncio.to_thread(writer.open, expected_bytes)
        except BaseException:
            await writer.abort()
            raise
        return writer

    async def put(self, data: bytes) -> Stored:
        """Store bytes that are in memory already.

        Raises:
            ContentFullError: there is no room.
        """
        async with await self.begin(expected_bytes=len(data)) as writer:
            await writer.write(data)
            return await writer.commit()

    def adopt(self, path: Path, sha256: str) -> bool:
        """Take over a file of the store's own file system that is whole, durable and verified; blocks.

        Returns:
            Whether the content was not there before.
        """
        final = self.path(sha256)
        final.parent.mkdir(parents=True, exist_ok=True)
        # Another size means that the disk lost bytes of the older copy: this one replaces it.
        created = self.size(sha256) != path.stat().st_size
        if created:
            path.rename(final)
        else:
            path.unlink()
        for directory in (final.parent, final.parent.parent, self.root):
            fsync_directory(directory)
        return created

    def require_room(self, count: int) -> None:
        """Check that ``count`` more bytes leave the reserve untouched.

        Raises:
            ContentFullError: they do not.
        """
        disk = os.statvfs(self.root)
        free = disk.f_bavail * disk.f_frsize
        if free - count < self.reserve_bytes:
            raise ContentFullError(
                f"the content store's disk has {free} bytes free; {count} more would cut into the reserve of "
                f"{self.reserve_bytes}"
            )

    def _sweep(self) -> None:
        swept = sum(_remove_if_abandoned(path) for path in self.incoming.iterdir())
        if swept:
            log.info(Event.CONTENT_SWEPT, files=swept, root=str(self.root))


class ContentWriter:
    """One file on its way into the store; as a context manager it leaves nothing behind unless committed.

    Its methods are awaited one after the other by one task. Memory stays at one chunk.
    """

    def __init__(self, store: ContentStore, *, max_bytes: int) -> None:
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

    async def commit(self, expected_sha256: str | None = None) -> Stored:
        """Make the content durable, then name it.

        Args:
            expected_sha256: the hash that the sender says the bytes have.

        Raises:
            ContentMismatchError: they have another one.
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

    def _finish(self, rest: bytes, expected: str | None) -> Stored:
        with self._lock, disk_full_told():
            self._append(rest)
            sha256 = self._digest.hexdigest()
            if expected is not None and sha256 != expected:
                raise ContentMismatchError(f"the {self.size} bytes have the SHA-256 {sha256}, not {expected}")
            os.fsync(self._fd)
            created = self._store.adopt(self._path, sha256)
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


@contextmanager
def disk_full_told() -> Iterator[None]:
    """Say ContentFullError for a disk or a quota that is full."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise ContentFullError(f"the content store's disk is full: {error.strerror}") from error
        raise


def locked_file(directory: Path) -> tuple[Path, int]:
    """A new temporary file that no sweep takes as long as this process has it open: its path and its descriptor."""
    while True:
        path = directory / new_id()
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o640)
        fcntl.flock(fd, fcntl.LOCK_EX)
        if os.fstat(fd).st_nlink:
            return path, fd
        os.close(fd)  # a sweep took it between its making and its locking


def _remove_if_abandoned(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        with suppress(BlockingIOError):  # locked: somebody is writing it
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
            return True
        return False
    finally:
        os.close(fd)


def write_all(fd: int, chunk: bytes) -> None:
    """Write every byte."""
    view = memoryview(chunk)
    while view:
        view = view[os.write(fd, view) :]


def fsync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
