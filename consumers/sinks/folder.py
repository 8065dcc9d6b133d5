"""The folder sink: a directory per dispatch that appears complete or not at all, and once, however often it is sent.

::

    <inbox>/<unit code>/<day> <notation> <subject> <delivery id>/   dispatch.json and the attachments
    <inbox>/<unit code>/.incoming-<delivery id>/                    being written
    <inbox>/<unit code>/.delivered/<delivery id>                    marker: complete, and appeared or about to

The order makes it exact, with an fsync between any two steps: (1) write everything into ``.incoming-…``; (2) set the
marker; (3) rename to the final name. Killed before 2, there is no marker: what lies in ``.incoming-…`` may be half
written and is begun anew. Killed between 2 and 3, there are both: it is complete and the rename is made up for. Killed
after 3, the marker stands alone: nothing is left to do, even if a person has renamed, moved or deleted the directory
since, and even if the spool was wiped and the document comes a second time.
"""

import asyncio
import errno
import hashlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from consumers.errors import CopyDamagedError, SinkError, SinkRefusedError, SinkRetryError
from consumers.sinks.base import Document, DocumentFile
from consumers.sinks.record import RECORD_NAME, clip, encode_record, file_names
from consumers.sinks.trouble import told
from router.process.trouble import FULL
from router.storage.files import DIRECTORY_MODE, copy_file, make_directory, make_path, sync_directory, write_file
from schemas.clock import day_at
from schemas.codes import is_code
from schemas.ids import is_id
from schemas.reasons import ReasonCode
from schemas.text import safe_file_name

_TITLE_BYTES = 150
_THREADS = 4


class FolderSink:
    """Puts documents into directories under ``root``, leaving ``reserve_bytes`` of its disk free.

    ``timezone`` (its IANA name) is the organisation's: its day begins the name of a directory.
    """

    def __init__(self, root: Path, *, reserve_bytes: int = 0, timezone: str = "UTC") -> None:
        self._root = root
        self._timezone = timezone
        self._reserve = reserve_bytes
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="folder-sink")

    async def deliver(self, document: Document) -> None:
        """Make the document's directory appear; the disk's work is done in a thread.

        Raises:
            SinkTroubleError: the disk is full, or fails; nothing half-written is left.
            SinkRetryError: the directory cannot be written, as when its rights were taken; as above.
            SinkRefusedError: the unit's code or the delivery's id is not valid, so they cannot name a directory; or the
                disk knows no such names or sizes.
        """
        await asyncio.get_running_loop().run_in_executor(self._threads, self._deliver, document)

    async def close(self) -> None:
        """Wait for what is being written."""
        await asyncio.to_thread(self._threads.shutdown)

    def _deliver(self, document: Document) -> None:
        places = _places(self._root, document, self._timezone)
        try:
            _make_places(places)
            if not places.marker.exists():
                self._prepare(places, document)
            _appear(places)
        except OSError as error:
            code = ReasonCode.SINK_DISK_FULL if error.errno in FULL else ReasonCode.SINK_UNWRITABLE
            raise told(error, _sentence(error, places.unit), local=True, code=code) from error

    def _prepare(self, places: "_Places", document: Document) -> None:
        if places.final.exists():  # someone deleted the markers
            places.marker.touch()
            return
        self._require_room(places.unit, document)
        _remove(places.temporary)
        try:
            _fill(places.temporary, document)
            sync_directory(places.unit)
            places.marker.touch()
        except (OSError, SinkError):
            _remove(places.temporary)
            raise

    def _require_room(self, directory: Path, document: Document) -> None:
        needed = sum(file.size for file in document.files) + self._reserve
        if shutil.disk_usage(directory).free < needed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@dataclass(frozen=True, slots=True)
class _Places:
    """Where one delivery is written, marked and seen."""

    unit: Path
    temporary: Path
    marker: Path
    final: Path


def _places(root: Path, document: Document, timezone: str) -> _Places:
    if not is_code(document.unit) or not is_id(document.delivery_id):
        raise SinkRefusedError(f"{document.unit!r}, {document.delivery_id!r} are no unit code and delivery id")
    unit = root / document.unit
    return _Places(
        unit=unit,
        temporary=unit / f".incoming-{document.delivery_id}",
        marker=unit / ".delivered" / document.delivery_id,
        final=unit / directory_name(document, timezone),
    )


def directory_name(document: Document, timezone: str) -> str:
    """``2026-11-22 123-CV_TU Về việc … 019b0c5e-…``: the organisation's day of receipt, what people call it, its id."""
    day = day_at(document.received_at, timezone)
    letter = document.descriptor
    title = clip(safe_file_name(f"{day} {letter.notation} {letter.subject}"), _TITLE_BYTES)
    return f"{title} {document.delivery_id}"


def _make_places(places: _Places) -> None:
    make_path(places.unit.parent)
    make_directory(places.unit)
    make_directory(places.marker.parent)


def _fill(directory: Path, document: Document) -> None:
    directory.mkdir()
    names = file_names(file.name for file in document.files)
    for file, name in zip(document.files, names, strict=True):
        _copy(file, directory / name)
    write_file(directory / RECORD_NAME, encode_record(document, names))
    directory.chmod(DIRECTORY_MODE)  # last, because it ends the inheritance of a set-group-id parent's group
    sync_directory(directory)


def _remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)  # what stays stands in the way of the next try, which says so


def _copy(file: DocumentFile, target: Path) -> None:
    """Copy a file of the document, and look at what was written: people read the copy, not what was verified."""
    copied = copy_file(file.path, target)
    with target.open("rb") as written:
        found = hashlib.file_digest(written, "sha256").hexdigest()
    if copied == file.size and found == file.sha256:
        return
    said = f"{copied} bytes instead of {file.size}, with the SHA-256 {found}"
    with file.path.open("rb") as own:
        is_right = hashlib.file_digest(own, "sha256").hexdigest() == file.sha256
    if is_right:
        raise SinkRetryError(f"what was written of {file.name} is not what was to be: {said}")
    raise CopyDamagedError(f"the gateway's own copy of {file.name} is damaged: {said}", sha256=file.sha256)


def _appear(places: _Places) -> None:
    sync_directory(places.marker.parent)  # also when an earlier try was killed before it could
    if places.temporary.exists():
        places.temporary.rename(places.final)
    sync_directory(places.unit)


def _sentence(error: OSError, unit: Path) -> str:
    if error.errno in FULL:
        return f"the disk of the inbox {unit} is full; free some space"
    place = f" ({error.filename})" if error.filename else ""
    return f"the inbox {unit} cannot be written: {error.strerror}{place}"
