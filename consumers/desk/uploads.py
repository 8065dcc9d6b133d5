"""Files that come with a form: hashed as they come, durable under names of their own, contents by a transaction."""

import asyncio
import hashlib
import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from consumers.errors import SpoolUnavailableError
from consumers.reading.drafting import BroughtFile
from consumers.spool.drafts import DraftFile
from router.pages.errors import FormTooLargeError
from router.storage.files import sync_directory
from schemas.attachment import Attachment
from schemas.ids import new_id

DIRECTORY_NAME = "uploads"
"""Under the gateway's data directory, on the same file system as the contents."""
RESERVE_BYTES = 64 * 1024**2
"""Free bytes that stay on the disk: the gateway needs some."""
_ABANDONED_SECONDS = 24 * 3600.0


class Uploads:
    """The files of one form. A kill leaves files that the next day's first form removes.

    Args:
        data_dir: of the gateway.
        most_bytes: of one file.
    """

    def __init__(self, data_dir: Path, most_bytes: int) -> None:
        self._root = data_dir / DIRECTORY_NAME
        self._most_bytes = most_bytes
        self._places: list[Path] = []

    async def begin(self) -> "ComingFile":
        """Begin a file."""
        path = await asyncio.to_thread(self._make)
        self._places.append(path)
        return ComingFile(path, self._most_bytes)

    def files(self, came: Sequence[Attachment]) -> list[BroughtFile]:
        """The files that came whole, in their order; one that did not is the last that began."""
        return [
            BroughtFile(DraftFile(item.name, item.media_type, item.sha256, item.size), path)
            for item, path in zip(came, self._places, strict=False)
        ]

    def discard(self) -> None:
        """Remove what became no content."""
        for path in self._places:
            path.unlink(missing_ok=True)

    def _make(self) -> Path:
        self._root.mkdir(mode=0o700, exist_ok=True)
        with os.scandir(self._root) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    if time.time() - entry.stat().st_mtime > _ABANDONED_SECONDS:
                        os.unlink(entry.path)  # noqa: PTH108 - as scandir gives it
        return self._root / new_id()


class ComingFile:
    """One file, see :class:`router.pages.brought.FileSink`."""

    def __init__(self, path: Path, most_bytes: int) -> None:
        self._path = path
        self._most_bytes = most_bytes
        self._digest = hashlib.sha256()
        self._size = 0
        self._file: BinaryIO | None = path.open("xb")

    async def write(self, chunk: bytes) -> None:
        """Append bytes.

        Raises:
            FormTooLargeError: more than a file may have.
            SpoolUnavailableError: the disk has no room for it.
        """
        await asyncio.to_thread(self._write, chunk)

    async def finish(self) -> tuple[int, str]:
        """Keep it, durably; its size and SHA-256."""
        await asyncio.to_thread(self._finish)
        return self._size, self._digest.hexdigest()

    async def abort(self) -> None:
        """Drop what came."""
        if self._file is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)

    def _write(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self._most_bytes:
            raise FormTooLargeError(f"the file has more than {self._most_bytes} bytes, the most that is accepted here")
        if shutil.disk_usage(self._path.parent).free < RESERVE_BYTES + len(chunk):
            raise SpoolUnavailableError("there is no room on the disk for the file")
        self._digest.update(chunk)
        if self._file is not None:
            self._file.write(chunk)

    def _finish(self) -> None:
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None
            sync_directory(self._path.parent)
