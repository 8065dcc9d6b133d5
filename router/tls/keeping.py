"""Private files that are replaced whole: a reader, or whoever comes after a kill, sees the old one or the new one."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KEY_MODE = 0o600
DIRECTORY_MODE = 0o700
_NEW = ".new"


def make_private_directory(path: Path) -> None:
    """A directory for its owner alone; one that stands keeps its rights."""
    path.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)


def replace_file(path: Path, data: bytes, *, mode: int = KEY_MODE) -> None:
    """Put a file in its place, durably; one caller at a time."""
    new = path.with_name(path.name + _NEW)
    new.unlink(missing_ok=True)  # of a run that was killed, perhaps with other rights
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync_entries(path.parent)


def sync_entries(directory: Path) -> None:
    """Make a directory's names durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """Work in a directory as the only one, after a wait for who works there now."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
