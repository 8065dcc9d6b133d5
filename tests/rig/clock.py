"""A wall clock that jumps for one process, by Debian's libfaketime; intervals are measured as before."""

from pathlib import Path

LIBRARIES = Path("/usr/lib")
NAME = "*/faketime/libfaketimeMT.so.1"
ENVIRONMENT = (
    "LD_PRELOAD",
    "FAKETIME_TIMESTAMP_FILE",
    "FAKETIME_CACHE_DURATION",
    "FAKETIME_DONT_FAKE_MONOTONIC",
    "NO_FAKE_STAT",
)
"""What has to be set for a program whose clock jumps."""


class NoClockError(Exception):
    """libfaketime is not installed: apt-get install faketime."""


class Clock:
    """The clock of whatever runs with ``environment``; starts right, and right again after ``jump(0)``."""

    def __init__(self, file: Path) -> None:
        library = next(LIBRARIES.glob(NAME), None)
        if library is None:
            raise NoClockError(NoClockError.__doc__)
        self._file = file
        self.environment = dict(zip(ENVIRONMENT, (str(library), str(file), "1", "1", "1"), strict=True))
        self.jump(0)

    def jump(self, seconds: int) -> None:
        """Go that far from the right time; takes effect within a second."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n", "ascii")
        fresh.replace(self._file)
