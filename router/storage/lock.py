"""Locks between processes: the kernel lets go of one when the process that holds it ends, however it ends."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(path: Path, in_use: Callable[[str], Exception]) -> Iterator[None]:
    """Be the only process that holds a lock, or fail at once; the file holds the process's id.

    Args:
        path: the lock's file, made when there is none; its directory too.
        in_use: makes the error for a lock that another process holds, from that process's id.

    Raises:
        Exception: the one that ``in_use`` makes.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise in_use(os.read(file, 32).decode(errors="replace").strip() or "unknown") from None
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(file)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a lock against every other thread and process, after a wait for those that hold it now."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
