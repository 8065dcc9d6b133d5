"""Files and directories that are on the disk, not just in its cache, when the function returns."""

import contextlib
import errno
import os
import shutil
from pathlib import Path

FILE_MODE = 0o640
DIRECTORY_MODE = 0o750
_NO_KERNEL_COPY = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}
_KERNEL_CHUNK = 1 << 30


def sync_directory(path: Path) -> None:
    """Make the entries of a directory durable: names created, renamed or removed in it.

    A network share may have nothing to sync a directory with (EINVAL, as on CIFS): there the server decides.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


def make_directory(path: Path) -> None:
    """Make a directory, durably; one that stands already keeps the rights its administrator gave it."""
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=DIRECTORY_MODE)
        path.chmod(DIRECTORY_MODE)
        sync_directory(path.parent)


def make_path(path: Path) -> None:
    """Make a directory with those above it, as far as they are missing; the same rights whatever the umask."""
    if not path.exists():
        make_path(path.parent)
        make_directory(path)


def write_file(target: Path, data: bytes, *, mode: int = FILE_MODE) -> None:
    """Write a new file and make its bytes durable; its name is durable after the directory's sync."""
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_at(directory: int, name: str, data: bytes, *, mode: int = FILE_MODE) -> None:
    """The same in a directory that is open; what lies there under this name already is an error, a link as well."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, mode, dir_fd=directory), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def copy_file(source: Path, target: Path, *, durable: bool = True) -> int:
    """Copy a file and return the bytes copied.

    The kernel copies, so a file system that can share blocks between files (XFS, Btrfs) copies nothing. It is never a
    hard link: a person who changes a document in place would change the spool's bytes with it.
    """
    with source.open("rb") as reader, target.open("xb") as writer:
        os.fchmod(writer.fileno(), FILE_MODE)
        try:
            while os.copy_file_range(reader.fileno(), writer.fileno(), _KERNEL_CHUNK):
                pass
        except OSError as error:
            if error.errno not in _NO_KERNEL_COPY:
                raise
            shutil.copyfileobj(reader, writer, 1 << 20)
            writer.flush()
        if durable:
            os.fsync(writer.fileno())
        return os.fstat(writer.fileno()).st_size


def write_all(fd: int, data: bytes) -> None:
    """Write every byte to an open file."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
