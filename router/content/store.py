"""Attachments by hash: streamed to disk, durable before they are named, stored once whatever they are called.

::

    <root>/ab/cd/<sha256>     content; read-only, and only ever replaced whole by bytes that were hashed
    <root>/ab/cd/<sha256>.…   its smaller forms, see router.content.encoding.forms
    <root>/incoming           what is being written
    <root>/damaged/<sha256>   what lay under a name and was something else; empty when nothing did
    <root>/lock               held while a name is given or taken

A file is written under ``incoming`` first, so a name under which content is found means that every byte was there and
on the disk. That they still are is never believed by a size: what is served or sent was hashed since its file was
last changed. A file that is found to be something else is put aside, so that nobody gets it; the next bytes of its
hash, by whatever way they come, take its place.

A writer holds a lock on its temporary file; the kernel drops the lock with the process, so what is not locked belongs
to nobody and is swept at the next start.
"""

import asyncio
import errno
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import structlog

from router.content.disk import READ_ONLY, Mark, Verified, digest_of, remove_if_abandoned
from router.content.verdicts import Verdicts
from router.content.writer import ContentWriter, Stored
from router.errors import ContentFullError, ContentMismatchError
from router.storage.files import sync_directory
from router.storage.lock import held
from schemas.attachment import MAX_ATTACHMENT_BYTES
from schemas.events import Event

DAMAGED = "damaged"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PART = re.compile(r"[0-9a-f]{2}")
_DOUBTED = 10.0
"""Seconds for which what was just found right on the disk is not hashed again, however often it is doubted."""
_STRIPES = 64
log = structlog.get_logger()


class State(StrEnum):
    """What is found under a content's name."""

    SOUND = "sound"
    DAMAGED = "damaged"
    """Other bytes than the name promises, or some that the disk cannot read."""
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Damaged:
    """A content whose bytes have to come again: its name, what is left of it, since when (seconds since 1970)."""

    sha256: str
    state: State
    since: float


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
        self._damaged = root / DAMAGED
        self._lock = root / "lock"
        self._verdicts = Verdicts()
        self._hashing = [threading.Lock() for _ in range(_STRIPES)]
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
        """The bytes of the file under a content's name, whatever they are; None when there is no file."""
        try:
            return self.path(sha256).stat().st_size
        except FileNotFoundError:
            return None

    def sound(self, sha256: str, *, doubted: bool = False) -> int | None:
        """The size of a content whose bytes are known to be its own; None when they are not here. Blocks.

        They are hashed once, and again when the file has been changed since, or when they are doubted.

        Args:
            sha256: the content's name.
            doubted: somebody got other bytes than these.
        """
        within = _DOUBTED if doubted else None
        if (known := self._known_size(sha256, within)) is not None:
            return known
        with self._hashing[int(sha256[:2], 16) % _STRIPES]:
            if (known := self._known_size(sha256, within)) is not None:  # by whoever held the lock before
                return known
            return self.size(sha256) if self.verify(sha256) is State.SOUND else None

    def _known_size(self, sha256: str, within: float | None) -> int | None:
        """The size of a content whose bytes were found right, see :meth:`Verdicts.knows`; None: nobody knows."""
        with suppress(FileNotFoundError):
            status = self.path(sha256).stat()
            if self._verdicts.knows(sha256, Mark.of(status), within=within):
                return status.st_size
        return None

    def verify(self, sha256: str, pace: Callable[[int], None] = lambda _count: None) -> State:
        """Hash a content as the disk has it now, and put it aside when it is something else. Blocks.

        Args:
            sha256: the content's name.
            pace: see :func:`router.content.disk.digest_of`.
        """
        try:
            fd = os.open(self.path(sha256), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return State.MISSING
        try:
            mark, found = Mark.of(os.fstat(fd)), _digest_from_disk(fd, pace)
            if found == sha256 and Mark.of(os.fstat(fd)) == mark:
                self._verdicts.note(sha256, mark, on_disk=True)
                return State.SOUND
        finally:
            os.close(fd)
        return State.DAMAGED if self._put_aside(sha256, mark, found) else self.verify(sha256, pace)

    def read(self, sha256: str) -> bytes | None:
        """The bytes of a small content; None when they are not here. Blocks."""
        if self.sound(sha256) is None:
            return None
        with suppress(FileNotFoundError):
            return self.path(sha256).read_bytes()
        return None

    async def begin(self, *, expected_bytes: int = 0, max_bytes: int = MAX_ATTACHMENT_BYTES) -> ContentWriter:
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

    def adopt(self, file: Verified) -> bool:
        """Take over a durable file of the store's own file system under the hash that was found; blocks.

        It always takes the place of what lay there: so a copy that is not what it was is mended by the next bytes.

        Returns:
            Whether the content was not there before.

        Raises:
            ContentMismatchError: somebody has written to the file since it was hashed.
        """
        final = self.path(file.sha256)
        final.parent.mkdir(parents=True, exist_ok=True)
        with held(self._lock):
            file.path.chmod(READ_ONLY)
            if Mark.of(file.path.stat()) != file.mark:
                raise ContentMismatchError(f"what came as {file.sha256} was changed after it was hashed")
            created = self.size(file.sha256) != file.mark.size
            file.path.rename(final)
            self._verdicts.note(file.sha256, file.mark, on_disk=False)
            healed = self._forget_damage(file.sha256)
        for directory in (final.parent, final.parent.parent, self.root):
            sync_directory(directory)
        if healed:
            log.info(Event.CONTENT_HEALED, sha256=file.sha256, size=file.mark.size)
        return created

    def touch(self, sha256: str, *, unless_since: float) -> bool:
        """Have a content that a submission is about to name count as new to the collector; whether it is here. Blocks.

        Args:
            sha256: the content's name.
            unless_since: seconds since 1970; a file that came or was touched later is left as it is.
        """
        path = self.path(sha256)
        with suppress(FileNotFoundError):
            if path.stat().st_mtime >= unless_since:
                return True
            with held(self._lock):
                before = Mark.of(path.stat())
                os.utime(path)
                self._verdicts.move(sha256, before, Mark.of(path.stat()))
                return True
        return False

    def remove(self, sha256: str, *, unless_since: float) -> bool:
        """Remove a content with its forms, unless it came or was touched since; whether it was removed. Blocks.

        This and :meth:`adopt`, :meth:`touch` hold one lock, so what a submission has touched stays.
        """
        path = self.path(sha256)
        with held(self._lock):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime >= unless_since:
                    return False
            path.unlink(missing_ok=True)
            self._forget_damage(sha256)
            for form in path.parent.glob(f"{sha256}.*"):
                form.unlink(missing_ok=True)
        return True

    def names(self, after: str = "") -> Iterator[str]:
        """The names under which files lie, in order; those behind ``after``."""
        for first in _parts(self.root, after[:2]):
            for second in _parts(self.root / first, after[2:4] if first == after[:2] else ""):
                found = (path.name for path in (self.root / first / second).iterdir())
                yield from sorted(name for name in found if name > after and _SHA256.fullmatch(name))

    def damaged(self) -> list[Damaged]:
        """The contents whose bytes have to come again, as far as that was noticed; blocks."""
        if not self._damaged.exists():
            return []
        found = (_damage_at(path) for path in sorted(self._damaged.iterdir()) if not self.path(path.name).exists())
        return [item for item in found if item is not None]

    def note_missing(self, sha256: str) -> None:
        """A content that should be here is not: it counts as damaged until its bytes come; blocks."""
        self._damaged.mkdir(exist_ok=True)
        place = self._damaged / sha256
        with held(self._lock):
            if self.path(sha256).exists() or place.exists():
                return
            place.touch(READ_ONLY)
        log.error(Event.CONTENT_DAMAGED, sha256=sha256, found="nothing")

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

    def _put_aside(self, sha256: str, mark: Mark, found: str) -> bool:
        """Take a file's name from it when it is still the one that was looked at; whether it was."""
        path = self.path(sha256)
        self._damaged.mkdir(exist_ok=True)
        with held(self._lock):
            try:
                if Mark.of(path.stat()) != mark:
                    return False
            except FileNotFoundError:
                return False
            path.rename(self._damaged / sha256)
            os.utime(self._damaged / sha256, (time.time(), time.time()))
        sync_directory(path.parent)
        log.error(Event.CONTENT_DAMAGED, sha256=sha256, found=found, size=mark.size)
        return True

    def _forget_damage(self, sha256: str) -> bool:
        with suppress(FileNotFoundError):
            (self._damaged / sha256).unlink()
            return True
        return False

    def _sweep(self) -> None:
        swept = sum(remove_if_abandoned(path) for path in self.incoming.iterdir())
        if swept:
            log.info(Event.CONTENT_SWEPT, files=swept, root=str(self.root))


def _damage_at(path: Path) -> Damaged | None:
    """What was put aside at a path; None when it was healed at this moment."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return Damaged(path.name, State.DAMAGED if status.st_size else State.MISSING, status.st_mtime)


def _digest_from_disk(fd: int, pace: Callable[[int], None]) -> str:
    """The hash of what the disk has, not of what the kernel remembers of it; in words when it cannot be read."""
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    try:
        return digest_of(fd, pace)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return "what the disk cannot read"


def _parts(directory: Path, least: str) -> list[str]:
    """The directories of two hex digits, in order, from ``least`` on."""
    return sorted(path.name for path in directory.iterdir() if _PART.fullmatch(path.name) and path.name >= least)
