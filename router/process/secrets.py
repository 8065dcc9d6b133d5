"""Takes secrets out of reach of the programs that run beside the gateway with the same rights, such as its own sink's.

A process's first environment can be read in ``/proc/<pid>/environ`` by every process of its user, also after the
variable was removed: the kernel shows the memory where it lay. So that memory is written over, and the process is made
one that others of its user may not look into (prctl(2), PR_SET_DUMPABLE; that also means no core dumps).
"""

import ctypes
import os
from collections.abc import Collection
from pathlib import Path

_PR_SET_DUMPABLE = 4
_ENV_START, _ENV_END = 47, 48
"""Fields of ``/proc/<pid>/stat`` after the program's name in brackets, counted from 0: env_start, env_end (proc(5))."""


def forget_secrets(names: Collection[str]) -> None:
    """Remove these variables from the environment, and from what the kernel shows of it.

    Args:
        names: of variables whose values were read already.
    """
    for name in names:
        os.environ.pop(name, None)
    _blank({os.fsencode(name) for name in names})
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _blank(names: Collection[bytes]) -> None:
    """Write over the values in the block of memory that held the first environment; elsewhere than on Linux nothing."""
    try:
        fields = Path("/proc/self/stat").read_text("utf-8", errors="replace").rpartition(")")[2].split()
        start, end = int(fields[_ENV_START]), int(fields[_ENV_END])
    except (OSError, IndexError, ValueError):
        return
    if not start or end <= start:
        return
    offset = 0
    for entry in ctypes.string_at(start, end - start).split(b"\0"):
        name, mark, value = entry.partition(b"=")
        if mark and name in names:
            ctypes.memset(start + offset + len(name) + 1, ord("x"), len(value))
        offset += len(entry) + 1
