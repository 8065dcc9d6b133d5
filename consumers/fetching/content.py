"""The gateway's contents on disk: each under its SHA-256, one still coming as :mod:`consumers.fetching.part` says.

All functions block; the event loop calls them in threads. A content keeps its name as long as a delivery uses it (see
``content_use`` in the spool): what nobody uses is removed inside the spool's writer, so that no descriptor can begin to
rely on a content while it is being removed. Which files a content has is found before, so that the writer does not wait
for a look at the directory, however large that is.

A name is not believed for long: a content may lie here for days until its sink takes it, and small computers have bad
disks. It is hashed before it is used; what has changed by then is removed, and fetched again.
"""

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import structlog
from sqlalchemy import Connection

from consumers.errors import DiskFullError
from consumers.fetching.part import Part, content_of
from consumers.spool import work
from schemas.descriptor import Descriptor
from schemas.events import Event

log = structlog.get_logger()
DIRECTORY_NAME = "content"
"""Under the gateway's data directory."""
BELIEVED_SECONDS = 600.0
"""Seconds for which a content is not hashed again: many units of one gateway get the same at once."""
Files = Mapping[str, Sequence[Path]]
"""The files of contents, by the content's name."""


class ContentDir:
    """A directory of contents.

    Args:
        root: made when it is missing.
        reserve_bytes: free bytes that stay on the disk.
    """

    def __init__(self, root: Path, *, reserve_bytes: int) -> None:
        self._root = root
        self._inline = root / "inline"
        self._reserve_bytes = reserve_bytes
        self._right: dict[str, tuple[int, int, int, float]] = {}
        shutil.rmtree(self._inline, ignore_errors=True)
        self._inline.mkdir(mode=0o700, parents=True)

    def path(self, sha256: str) -> Path:
        """Where a content is when it is whole."""
        return self._root / sha256

    def has(self, sha256: str) -> bool:
        """Whether a content is here, and is what its name says; something else is removed."""
        path = self.path(sha256)
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                if self._was_right_lately(sha256, status):
                    return True
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            found = "a place of the disk that cannot be read"
        if found == sha256:
            self._right[sha256] = (status.st_ino, status.st_size, status.st_mtime_ns, time.monotonic())
            return True
        path.unlink(missing_ok=True)
        log.warning(Event.CONTENT_SPOILT, sha256=sha256, found=found)
        return False

    def doubt(self, sha256: str) -> None:
        """Somebody found a content damaged: it is hashed when it is next asked for, and fetched again if it is."""
        self._right.pop(sha256, None)

    def _was_right_lately(self, sha256: str, status: os.stat_result) -> bool:
        *looked, at = self._right.get(sha256, (0, 0, 0, 0.0))
        same = looked == [status.st_ino, status.st_size, status.st_mtime_ns]
        if same and time.monotonic() - at < BELIEVED_SECONDS:
            return True
        self._right.pop(sha256, None)
        return False

    def part(self, sha256: str, size: int) -> Part:
        """What has come so far of a content, open to be continued."""
        return Part(self.path(sha256), size, require_room=self.require_room)

    def require_room(self, size: int) -> None:
        """Check that so many bytes fit above the reserve.

        Raises:
            DiskFullError: they do not.
        """
        free = shutil.disk_usage(self._root).free
        if free < self._reserve_bytes + size:
            raise DiskFullError(
                f"the disk has {free} free bytes, of which {self._reserve_bytes} stay; {size} more are needed"
            )

    def unpack(self, delivery_id: str, descriptor: Descriptor) -> dict[str, Path]:
        """Write the attachments that ride inside a descriptor to files of the delivery's own, by SHA-256.

        They need no fsync: they are written anew before every hand-over.

        Raises:
            DiskFullError: there is no room for them.
        """
        directory = self._inline / delivery_id
        inside = {item.sha256: item.inline for item in descriptor.attachments if item.inline is not None}
        if inside:
            self.require_room(sum(map(len, inside.values())))
            directory.mkdir(exist_ok=True)
        paths = {sha256: directory / sha256 for sha256 in inside}
        for sha256, data in inside.items():
            paths[sha256].write_bytes(data)
        return paths

    def discard_unpacked(self, delivery_id: str) -> None:
        """Remove what :meth:`unpack` wrote."""
        shutil.rmtree(self._inline / delivery_id, ignore_errors=True)

    def files_of(self, names: Iterable[str]) -> Files:
        """What is on the disk of these contents: one look at the directory, and only when one is not whole."""
        return files_of(self._root, names)

    def at_start(self) -> Files:
        """What a start finds, of contents that are used and of others: the one look at the whole directory.

        Parts of contents that are whole are removed, as a crash leaves them, so that :func:`files_of` may rely on there
        being none. It blocks, and has to have been done before anything is fetched.
        """
        here = _listed(self._root)
        for name, paths in here.items():
            whole = self.path(name)
            if whole in paths:
                for path in paths:
                    if path != whole:
                        path.unlink(missing_ok=True)
        return here

    def release(self, conn: Connection, batches: Sequence[Files]) -> list[int]:
        """Remove the files of those of the contents that no delivery uses; runs in the spool's writer, see the module.

        Args:
            conn: the writer's transaction.
            batches: what :meth:`files_of` or :meth:`at_start` found.

        Returns:
            How many contents were removed, for each of the batches.
        """
        for name in {name for files in batches for name in files}:
            self._right.pop(name, None)
        return [remove_unused(conn, files) for files in batches]


def files_of(root: Path, names: Iterable[str]) -> Files:
    """The same for a directory of contents; a content that is whole has left no part behind."""
    wanted = dict.fromkeys(names)
    whole = {name: [root / name] for name in wanted if (root / name).exists()}
    if len(whole) == len(wanted):
        return whole
    here = _listed(root)
    return {name: here[name] for name in wanted if name in here}


def remove_unused(conn: Connection, files: Files) -> int:
    """Remove the files of those contents that no delivery uses, in a transaction that writes; how many contents."""
    unused = work.unused(conn, sorted(files))
    for name in unused:
        for path in files[name]:
            path.unlink(missing_ok=True)
    return len(unused)


def _listed(root: Path) -> Files:
    found: dict[str, list[Path]] = {}
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                path = root / entry.name
                found.setdefault(content_of(path), []).append(path)
    return found
