"""How the copies stand: when the last one was made, where, since when and why none is made; when the next is due.

Each place has a small file in the data directory, replaced at once; a reader sees the old one or the new one. What
cannot be read counts as never: then a copy is made.
"""

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

import orjson

from router.storage.files import sync_directory

DIRECTORY_NAME = "copies"
EVERY_MS = 24 * 3_600_000
AGAIN_MS = 5 * 60_000
"""After a failure."""


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
    """

    made_at: int = 0
    where: str = ""
    size: int = 0
    failing_since: int = 0
    reason: str = ""
    tried_at: int = 0
    asked_at: int = 0

    def is_due(self, now: int) -> bool:
        """Whether a copy is to be made now; a clock that went back puts none off for long."""
        if self.failing_since and now - AGAIN_MS < self.tried_at <= now and self.asked_at <= self.tried_at:
            return False
        return not now - EVERY_MS < self.made_at <= now or self.asked_at > self.made_at

    def made(self, where: str, size: int, now: int) -> "CopyStanding":
        """The same after a copy."""
        return CopyStanding(made_at=now, where=where, size=size, tried_at=now)

    def failed(self, reason: str, now: int) -> "CopyStanding":
        """The same after a try that failed."""
        return replace(self, failing_since=self.failing_since or now, reason=reason, tried_at=now)


def copies_dir(data_dir: Path) -> Path:
    """Where a gateway keeps what belongs to its copies."""
    return data_dir / DIRECTORY_NAME


def standing_of(data_dir: Path, place: Place) -> CopyStanding:
    """How the copies of a place stand."""
    try:
        return CopyStanding(**orjson.loads(_path(data_dir, place).read_bytes()))
    except (OSError, ValueError, TypeError):
        return CopyStanding()


def keep_standing(data_dir: Path, place: Place, standing: CopyStanding) -> None:
    """Put a standing in the place of the one before."""
    path = _path(data_dir, place)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_bytes(orjson.dumps(asdict(standing)))
    new.replace(path)
    sync_directory(path.parent)


def ask(data_dir: Path, place: Place, now: int) -> None:
    """Have a copy made as soon as it can be."""
    keep_standing(data_dir, place, replace(standing_of(data_dir, place), asked_at=now))


def _path(data_dir: Path, place: Place) -> Path:
    return copies_dir(data_dir) / f"{place.value}.json"
