"""Programs that end with the one that started them, also when that is killed."""

import os
import sys
from pathlib import Path

_LEASH = Path(__file__).with_name("_leash.py")


def leashed(program: str, *arguments: str) -> tuple[str, ...]:
    """The command that becomes a program, an absolute path, and dies with this process.

    To be started from the main thread: the kernel means the thread that starts it.
    """
    return (sys.executable, "-I", "-S", str(_LEASH), str(os.getpid()), program, *arguments)
