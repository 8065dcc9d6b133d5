"""The files of one account's uploads, and the lock under which they change.

::

    <content store>/uploads/<account>/lock            held while any of the others is changed
                                      <sha256>.json   what was announced
                                      <sha256>.new    the same while it is written
                                      <sha256>.part   the bytes so far; its size is the offset
                                      <sha256>.turn   whose request may append: the last that asked
                                      <sha256>.done   the .json, renamed when all bytes had come and were verified

A request whose line has gone lives on here until it has been silent for long. Its sender has long come back by another
connection and asked how far it is. So whoever asks takes the turn, and what the old request still holds is refused:
the offset that was told stays true. The turn is a file because the two requests may be in two processes.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from router.content.uploads.records import Announced
from router.storage.files import sync_directory
from router.storage.lock import held
from schemas.ids import new_id

_MODE = 0o640


@dataclass(frozen=True, slots=True)
class UploadFiles:
    """Where one upload's files are."""

    directory: Path
    sha256: str

    @property
    def announced(self) -> Path:
        """What was announced, while bytes are missing."""
        return self.directory / f"{self.sha256}.json"

    @property
    def new(self) -> Path:
        """What is being announced, until it is on the disk; a kill then leaves it."""
        return self.announced.with_suffix(".new")

    @property
    def done(self) -> Path:
        """What was announced, when all bytes have come."""
        return self.directory / f"{self.sha256}.done"

    @property
    def part(self) -> Path:
        """The bytes so far."""
        return self.directory / f"{self.sha256}.part"

    @property
    def turn(self) -> Path:
        """Who may append."""
        return self.directory / f"{self.sha256}.turn"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other thread and process from the account's files; for short steps only."""
        with held(self.directory / "lock"):
            yield

    def take_turn(self) -> str:
        """Make all requests of before unable to append; the new turn's name. Under the lock."""
        name = new_id()
        self.turn.write_text(name)
        return name

    def has_turn(self, name: str) -> bool:
        """Whether nobody has taken the turn since. Under the lock."""
        try:
            return self.turn.read_text() == name
        except FileNotFoundError:
            return False

    def read(self, path: Path) -> Announced | None:
        """What a record says; None when it is not there."""
        try:
            return Announced.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None

    def announce(self, announced: Announced) -> None:
        """Begin anew: the record is durable when this returns, and no byte is there. Under the lock."""
        self.part.unlink(missing_ok=True)
        self.done.unlink(missing_ok=True)
        write_durably(self.new, announced.model_dump_json().encode())
        self.new.rename(self.announced)
        sync_directory(self.directory)

    def durable_size(self) -> int:
        """The bytes that are on the disk. Under the lock, with the turn taken: else more may come meanwhile."""
        try:
            fd = os.open(self.part, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return 0
        try:
            os.fsync(fd)
            return os.fstat(fd).st_size
        finally:
            os.close(fd)

    def touched_at(self) -> float:
        """When a byte last came, or it was announced; seconds since 1970."""
        return max(
            (path.stat().st_mtime for path in (self.announced, self.done, self.part) if path.exists()), default=0
        )

    def remove(self) -> None:
        """Forget the upload. Under the lock."""
        for path in (self.announced, self.new, self.done, self.part, self.turn):
            path.unlink(missing_ok=True)


def write_durably(path: Path, data: bytes) -> None:
    """Write a file, over one that was left there; its bytes are on the disk when this returns."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _MODE)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
