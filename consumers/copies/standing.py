"""How the copies stand: when the last one was made, where, since when and why none is made; when the next is due.

Each place has a small file in the data directory, replaced at once; a reader sees the old one or the new one. What
cannot be read counts as never: then a copy is made. That somebody asked for one stands in a file of its own, so whoever
makes one at that moment, in another process, does not write over it.
"""

import os
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from tempfile import mkstemp

import orjson

from router.storage.files import sync_directory

DIRECTORY_NAME = "copies"
EVERY_MS = 24 * 3_600_000
AGAIN_MS = 5 * 60_000
"""After a failure."""
_ASKED = ".asked"


class Place(StrEnum):
    """Where copies go."""

    DIRECTORY = "directory"
    """A second place of this machine or of its network, as a stick."""
    ROUTER = "router"


@dataclass(frozen=True, slots=True)
class CopyStanding:
    """How the copies of a place stand; times are UTC ms, 0: never.

    Attributes:
        made_at: when the last one was made.
        where: its file, or its number in the chain.
        size: its bytes.
        failing_since: since when none could be made that was due.
        reason: why.
        tried_at: when one was tried last.
        asked_at: when somebody last asked for one.
        again_ms: how long after a failure one is not tried again; 0: :data:`AGAIN_MS`.
    """

    made_at: int = 0
    where: str = ""
    size: int = 0
    failing_since: int = 0
    reason: str = ""
    tried_at: int = 0
    asked_at: int = 0
    again_ms: int = 0

    def is_due(self, now: int) -> bool:
        """Whether a copy is to be made now; a clock that went back puts none off for long."""
        pause = self.again_ms or AGAIN_MS
        if self.failing_since and now - pause < self.tried_at <= now and self.asked_at <= self.tried_at:
            return False
        return not now - EVERY_MS < self.made_at <= now or self.made_at < self.asked_at <= now

    def made(self, where: str, size: int, now: int) -> "CopyStanding":
        """The same after a copy of that moment; one that was asked for later is still to be made."""
        return CopyStanding(made_at=now, where=where, size=size, tried_at=now, asked_at=self.asked_at)

    def failed(self, reason: str, now: int, *, again_ms: int = 0) -> "CopyStanding":
        """The same after a try that failed; ``again_ms``: how long none is made."""
        since = self.failing_since or now
        return replace(self, failing_since=since, reason=reason, tried_at=now, again_ms=again_ms)


def copies_dir(data_dir: Path) -> Path:
    """Where a gateway keeps what belongs to its copies."""
    return data_dir / DIRECTORY_NAME


def standing_of(data_dir: Path, place: Place) -> CopyStanding:
    """How the copies of a place stand."""
    asked_at = _asked_at(data_dir, place)
    try:
        told = orjson.loads(_path(data_dir, place).read_bytes())
        return CopyStanding(**told | {"asked_at": asked_at})
    except (OSError, ValueError, TypeError):
        return CopyStanding(asked_at=asked_at)


def keep_standing(data_dir: Path, place: Place, standing: CopyStanding) -> None:
    """Put a standing in the place of the one before, but for what was asked for: see :func:`ask`."""
    _replace(_path(data_dir, place), orjson.dumps(asdict(standing)))


def ask(data_dir: Path, place: Place, now: int) -> None:
    """Have a copy made as soon as it can be."""
    _replace(_path(data_dir, place, _ASKED), str(now).encode())


def _asked_at(data_dir: Path, place: Place) -> int:
    try:
        return int(_path(data_dir, place, _ASKED).read_bytes())
    except (OSError, ValueError):
        return 0


def _replace(path: Path, data: bytes) -> None:
    """Put a file in the place of another; two processes that do so at a moment each have a file of their own."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    descriptor, name = mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise
    sync_directory(path.parent)


def _path(data_dir: Path, place: Place, ending: str = ".json") -> Path:
    return copies_dir(data_dir) / f"{place.value}{ending}"
