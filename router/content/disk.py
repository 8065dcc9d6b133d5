"""The store's files: locked temporary ones, whole writes, durable names, hashes of what lies there."""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from router.errors import ContentFullError
from router.process.trouble import FULL
from schemas.ids import new_id

READ_BYTES = 1 << 20
READ_ONLY = 0o440
"""The mode of what is stored: nothing opens it for writing."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How a file looked: when this is as it was, nobody has written to it. Bits that rot do not show in it."""

    size: int
    modified_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """From what the file system says of a file."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)


@dataclass(frozen=True, slots=True)
class Verified:
    """A file whose bytes were hashed: where it is, their SHA-256, and how it looked then."""

    path: Path
    sha256: str
    mark: Mark


def verify(path: Path) -> Verified:
    """Hash a file, after it was made durable.

    Raises:
        FileNotFoundError: there is none.
    """
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return Verified(path, digest_of(file.fileno()), Mark.of(os.fstat(file.fileno())))


def digest_of(fd: int, pace: Callable[[int], None] = lambda _count: None) -> str:
    """The SHA-256 of an open file, from its first byte on.

    Args:
        fd: its descriptor.
        pace: told the bytes of each piece that was read; it may wait, or raise to end it.
    """
    digest, position = hashlib.sha256(), 0
    while chunk := os.pread(fd, READ_BYTES, position):
        digest.update(chunk)
        position += len(chunk)
        pace(len(chunk))
    return digest.hexdigest()


@contextmanager
def disk_full_told() -> Iterator[None]:
    """Raise ContentFullError for a disk or a quota that is full."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
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


def remove_if_abandoned(path: Path) -> bool:
    """Remove a temporary file whose writer is no more; whether it was removed."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        with suppress(BlockingIOError):  # locked: somebody is writing it
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # over NFS an exclusive one needs a file open for writing
            path.unlink(missing_ok=True)
            return True
        return False
    finally:
        os.close(fd)
