"""A content that is coming: its bytes are appended, made durable now and then, unpacked and verified at the end.

A part is named after what it is a part of: ``<sha256>.part`` of the content as it is,
``<sha256>.<encoding>.<etag>.<size>.part`` of one of its smaller forms. So what came of one form, before a drop or a
crash, is never continued with another.
"""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from consumers.errors import DiskFullError, WrongContentError
from consumers.fetching.decode import decode
from router.process.trouble import FULL
from router.storage.files import sync_directory
from schemas.encoding import Encoding

_ENDING = ".part"
_UNPACKED = ".unpacked"
NO_DICTIONARY = ("", b"")
LEAST_UNSYNCED = 64 * 1024
MOST_UNSYNCED = 8 * 1024**2
SYNC_SECONDS = 2.0
_CLOSED = -1


def sync_after(rate: float) -> int:
    """How many bytes may be written without an fsync, at a rate in bytes/s.

    What comes in two seconds, so a power cut costs little of the line's time; on a slow line 64 kB, because there an
    fsync is cheap compared with the bytes, and at most 8 MB.

    >>> sync_after(4_000), sync_after(1_000_000), sync_after(1e9)
    (65536, 2000000, 8388608)
    """
    return min(max(round(rate * SYNC_SECONDS), LEAST_UNSYNCED), MOST_UNSYNCED)


@dataclass(frozen=True, slots=True)
class Form:
    """What is coming of a content: ``etag`` is its validator without quotes, ``size`` its bytes on the line."""

    encoding: Encoding
    etag: str
    size: int

    @property
    def is_plain(self) -> bool:
        """Whether it is the content as it is."""
        return self.encoding is Encoding.IDENTITY


def part_path(whole: Path, form: Form | None = None) -> Path:
    """Where a content is while it is coming; in a form, or as it is."""
    told = "" if form is None or form.is_plain else f".{form.encoding}.{form.etag}.{form.size}"
    return whole.with_name(f"{whole.name}{told}{_ENDING}")


def parts_of(whole: Path) -> list[Path]:
    """The parts of a content that are on the disk."""
    return [path for path in whole.parent.glob(f"{whole.name}*{_ENDING}") if _form_of(path, 0) is not None]


def come_of(whole: Path, size: int) -> tuple[int, int] | None:
    """What has come of a content and of how much, bytes on the line; None: nothing is here. For those who only look.

    Args:
        whole: where the content will be.
        size: bytes the content should have.
    """
    found: list[tuple[int, int]] = []
    for path in parts_of(whole):
        form = _form_of(path, size)
        with suppress(FileNotFoundError):  # it was finished, or begun anew in another form, since it was listed
            found.append((path.stat().st_size, form.size if form is not None else size))
    return max(found, default=None)


def content_of(path: Path) -> str:
    """The content that a file in the directory of contents belongs to."""
    return path.name.partition(".")[0]


def _form_of(path: Path, size: int) -> Form | None:
    """What a part is a part of, by its name; None: it is none of ours."""
    match path.name.removesuffix(_ENDING).split("."):
        case [sha256]:
            return Form(Encoding.IDENTITY, sha256, size)
        case [_, Encoding.ZSTD | Encoding.DCZ as encoding, etag, told] if told.isdecimal():
            return Form(Encoding(encoding), etag, int(told))
        case _:
            return None


class Part:
    """An open part. Its methods block; they are called in threads.

    A fetch that is cancelled leaves its last call running in a thread, or not even begun. So calls take turns, a write
    says where its bytes belong and may be made again, and a call that comes after the end does nothing.

    Args:
        whole: where the content will be; its name is its SHA-256.
        size: bytes the content should have.
        require_room: raises DiskFullError when so many bytes do not fit.
    """

    def __init__(self, whole: Path, size: int, *, require_room: Callable[[int], None]) -> None:
        self._whole = whole
        self.plain = Form(Encoding.IDENTITY, whole.name, size)
        self._path, self.form = self._here()
        self.position = 0
        self._require_room = require_room
        self._unsynced = 0
        self._started = time.monotonic()
        self._came = 0
        self._turn = threading.RLock()
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.position = os.fstat(self._file).st_size
        if self.position > self.form.size:
            self.restart()

    @property
    def size(self) -> int:
        """The bytes of what is coming."""
        return self.form.size

    def write(self, data: bytes, at: int) -> None:
        """Append bytes that belong at a position; those that are here already are left out.

        Raises:
            DiskFullError: there is no room; the part ends where it ended before.
            WrongContentError: it would be longer than its size says; it begins again from nothing.
        """
        with self._turn:
            if self._file == _CLOSED or at > self.position:  # it is over, or has begun again from nothing
                return
            new = data[self.position - at :]
            if self.position + len(new) > self.size:
                size = self.size
                self.begin(self.plain)
                raise WrongContentError(f"content {self._whole.name} is longer than the {size} bytes announced")
            self._require_room(len(new))
            self._append(new)
            if self._unsynced >= sync_after(self._came / max(time.monotonic() - self._started, 0.001)):
                self._sync()

    def begin(self, form: Form) -> None:
        """Begin from nothing, as a part of this form."""
        with self._turn:
            if self._file == _CLOSED:
                return
            os.ftruncate(self._file, 0)
            self.position = 0
            path = part_path(self._whole, form)
            self._path.rename(path)
            self._path, self.form = path, form

    def restart(self) -> None:
        """Begin from nothing, as a part of the content as it is."""
        self.begin(self.plain)

    def finish(self, dictionary: tuple[str, bytes] = NO_DICTIONARY) -> None:
        """Unpack the content if it came packed, verify it and give it its name.

        Args:
            dictionary: what a dcz form was encoded with: its SHA-256 and its bytes.

        Raises:
            WrongContentError: its size or its hash is another; it begins again from nothing, as it is.
            DiskFullError: there is no room to unpack it; what came stays.
        """
        with self._turn:
            if self._file == _CLOSED:
                return
            try:
                if self.form.is_plain:
                    self._finish_plain()
                else:
                    self._finish_packed(dictionary)
            except WrongContentError:
                self.restart()
                raise

    def close(self) -> None:
        """Make durable what has come and close the file."""
        with self._turn:
            try:
                self._sync()
            finally:
                os.close(self._file)
                self._file = _CLOSED

    def _here(self) -> tuple[Path, Form]:
        """What has come before: the part that has most; others are from before a form was made anew."""
        found = sorted(parts_of(self._whole), key=lambda path: path.stat().st_size)
        for path in found[:-1]:
            path.unlink()
        form = _form_of(found[-1], self.plain.size) if found else None
        return (found[-1], form) if form is not None else (part_path(self._whole), self.plain)

    def _finish_plain(self) -> None:
        """What is on the disk is hashed, not what passed by: its last bytes may have been lost in a power cut."""
        with self._path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        self._require_right(self.position, found)
        os.fsync(self._file)  # also of what an earlier process wrote and had no time to sync
        self._unsynced = 0
        self._path.rename(self._whole)
        sync_directory(self._whole.parent)

    def _finish_packed(self, dictionary: tuple[str, bytes]) -> None:
        """A crash on the way leaves the part as it was: it is unpacked again."""
        self._require_room(self.plain.size)
        unpacked = self._whole.with_name(f"{self._whole.name}{_UNPACKED}")
        size = self.plain.size
        try:
            with disk_full_told(self._whole.name), unpacked.open("wb") as target:
                os.fchmod(target.fileno(), 0o600)
                found = decode(self._path, target, encoding=self.form.encoding, size=size, dictionary=dictionary)
                self._require_right(size, found)
                target.flush()
                os.fsync(target.fileno())
        except BaseException:
            unpacked.unlink(missing_ok=True)
            raise
        unpacked.rename(self._whole)
        sync_directory(self._whole.parent)
        self._path.unlink()
        self._unsynced = 0

    def _require_right(self, came: int, found: str) -> None:
        if came != self.plain.size or found != self._whole.name:
            raise WrongContentError(
                f"content {self._whole.name} of {self.plain.size} bytes came as {came} bytes with SHA-256 {found}"
            )

    def _sync(self) -> None:
        if self._unsynced:
            os.fsync(self._file)
            self._unsynced = 0

    def _append(self, data: bytes) -> None:
        rest, offset = memoryview(data), self.position
        try:
            with disk_full_told(self._whole.name):
                while rest:
                    count = os.pwrite(self._file, rest, offset)
                    rest, offset = rest[count:], offset + count
        except (OSError, DiskFullError):
            os.ftruncate(self._file, self.position)
            raise
        self.position = offset
        self._came += len(data)
        self._unsynced += len(data)


@contextmanager
def disk_full_told(name: str) -> Iterator[None]:
    """Report a disk without room as full.

    Raises:
        DiskFullError: there was none for this content.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise DiskFullError(f"the disk took no more bytes of content {name}") from error
