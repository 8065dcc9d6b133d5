"""One gateway process per data directory: a lock that the kernel lets go of when the process ends, however it ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from consumers.errors import SpoolInUseError

FILE_NAME = "gateway.lock"


@contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Hold the directory.

    Raises:
        SpoolInUseError: another process holds it; names its process id.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = data_dir / FILE_NAME
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 32).decode(errors="replace").strip() or "unknown"
            raise SpoolInUseError(
                f"{data_dir} is in use by another gateway (process {holder}); "
                "stop it, or give this one its own CONGVAN_GATEWAY_DATA_DIR"
            ) from None
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(file)
