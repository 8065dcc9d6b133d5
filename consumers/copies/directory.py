"""The daily copy in a second place: the whole database by SQLite's online backup, checked before it counts.

It is written beside its name and renamed when it is whole and on the disk, so a kill or a stick that is pulled out
leaves the copies of before. It reads one moment of the database and keeps no writer waiting: the write-ahead log goes
on meanwhile. It holds people's password hashes, so nobody but the gateway's user may read it.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from consumers.errors import CopyError
from router.storage.files import sync_directory
from schemas.events import Event

log = structlog.get_logger()
_PAGES = 1000
"""Copied at a time: 4 MB, so that a stop is not waited for long."""
_ENDING, _PART = ".sqlite3", ".part"


@dataclass(frozen=True, slots=True)
class SecondPlace:
    """Where copies go.

    Args:
        directory: of the copies; it has to be there.
        head: the unit, or the head of the subtree, which the files are named after.
        spool_id: whose copies; those of a spool that lay here before are another's.
        kept: so many copies of one spool stay.
        reserve: bytes that stay free there.
    """

    directory: Path
    head: str
    spool_id: str
    kept: int
    reserve: int = 0

    @property
    def name(self) -> str:
        """What the names of the files begin with: head and spool."""
        return f"congvan-{self.head}-{self.spool_id[-8:]}"

    def too_many(self) -> list[Path]:
        """The copies to be removed: this spool's older ones, and of lost spools' all but the newest few.

        A spool that was begun anew knows nothing yet, and its copies must not push out those of the one before.
        """
        every = set(self.directory.glob(f"congvan-{self.head}-????????-*{_ENDING}"))
        own = set(self.directory.glob(f"{self.name}-*{_ENDING}"))
        return [old for some in (own, every - own) for old in sorted(some, key=_stamp)[: -self.kept]]


def make_copy(database: Path, place: SecondPlace, now_ms: int) -> Path:
    """Make a copy and remove those that are too many; where it is. Blocks.

    Raises:
        CopyError: the place is not there, full, or one in which nothing can be renamed or removed; or what was written
            is not whole.
    """
    stamp = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y-%m-%dT%H%M%SZ")
    target = place.directory / f"{place.name}-{stamp}{_ENDING}"
    part = target.with_name(target.name + _PART)
    try:
        _require_there(place)
        _require_changeable(place)
        _require_room(database, place)
        for left in place.directory.glob(f"{place.name}-*{_ENDING}{_PART}"):
            left.unlink()  # of a copy that was killed
        _write(database, part)
        part.replace(target)
        sync_directory(place.directory)
        _remove(place.too_many())
    except (OSError, sqlite3.Error) as error:
        raise CopyError(f"no copy could be written to {place.directory}: {error}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return target


def _remove(those: Iterable[Path]) -> None:
    """Make room for later ones; the copy that was made counts whatever of these stays."""
    for old in those:
        try:
            old.unlink()
        except OSError as error:
            log.warning(Event.COPY_NOT_REMOVED, where=str(old), reason=str(error))


def is_on_the_same_disk(directory: Path, data_dir: Path) -> bool:
    """Whether a copy would be lost together with what it is of."""
    try:
        return directory.stat().st_dev == data_dir.stat().st_dev
    except OSError:
        return False


def _stamp(path: Path) -> str:
    return path.name[-len("2026-11-29T194320Z.sqlite3") :]


def _require_there(place: SecondPlace) -> None:
    if not place.directory.is_dir():
        raise CopyError(f"{place.directory} is not there: is the stick plugged in, the share connected?")


def _require_changeable(place: SecondPlace) -> None:
    """Go on only where a copy gets its name and older ones go: each try would leave another half one otherwise."""
    probe = place.directory / f".{place.name}{_PART}"
    moved = probe.with_name(f"{probe.name}.moved")
    try:
        probe.touch(mode=0o600)
        probe.replace(moved)
        moved.unlink()
    except OSError as error:
        raise CopyError(
            f"{place.directory} cannot be used: files in it cannot be written, renamed and removed ({error}), so "
            "copies would fill it up"
        ) from error


def _require_room(database: Path, place: SecondPlace) -> None:
    needed = database.stat().st_size + _log_size(database) + place.reserve
    free = shutil.disk_usage(place.directory).free
    if free < needed:
        raise CopyError(f"{place.directory} has {free} bytes free; a copy needs {needed}")


def _log_size(database: Path) -> int:
    log = database.with_name(f"{database.name}-wal")
    return log.stat().st_size if log.exists() else 0


def _write(database: Path, part: Path) -> None:
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with (
        closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)) as source,
        closing(sqlite3.connect(part)) as target,
    ):
        # A transaction that reads: what is written meanwhile would otherwise have the copy begin again and again.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        source.backup(target, pages=_PAGES)
        target.execute("PRAGMA journal_mode=DELETE")  # one file: a log of its own would be left behind
    with part.open("rb+") as written:
        os.fsync(written.fileno())
    with closing(sqlite3.connect(part)) as copy:
        found = [str(row[0]) for row in copy.execute("PRAGMA quick_check(1)")]
    if found != ["ok"]:
        raise CopyError(f"what was copied is damaged: {' '.join(' '.join(found).split())}")
