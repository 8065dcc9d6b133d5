"""A disk that does not keep what it was given."""

import os
from pathlib import Path


def rot(path: Path, *, at: int = 0) -> None:
    """Flip the bits of one byte; the file's size and times stay what they were, as when a disk rots."""
    status = path.stat()
    path.chmod(0o640)
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 0xFF]))
    path.chmod(status.st_mode & 0o777)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
