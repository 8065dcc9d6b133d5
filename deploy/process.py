"""Sets the interpreter up for a process that serves: fewer collections of garbage, quicker turns between threads."""

import atexit
import ctypes
import gc
import importlib
import resource
import sys

_COLLECT_AFTER = 50_000
_TURN_SECONDS = 0.0005
_ARENAS = 2
_M_ARENA_MAX = -8
"""The number that glibc's ``malloc.h`` gives this option of ``mallopt``."""


def collect_seldom() -> None:
    """Call before anything large is imported.

    A batch of 500 messages makes thousands of tuples and no cycles, yet at the default threshold of 700 objects every
    batch sets off collections that walk all pydantic and SQLAlchemy models: a sixth of the gateway's time, measured.
    Imports do the same, and so does the interpreter at the process's end, though its memory goes with it: that was a
    third of the time of a short command.
    """
    gc.set_threshold(_COLLECT_AFTER, 50, 100)
    atexit.register(gc.freeze)


def load_structlog() -> None:
    """Call before anything else imports structlog.

    It imports rich and pygments for tracebacks that no program prints: memory of each process, and time of its start.
    """
    if "structlog" not in sys.modules and "rich" not in sys.modules:
        sys.modules["rich"] = None  # type: ignore[assignment]  # how Python says that a module is not there
        importlib.import_module("structlog")
        del sys.modules["rich"]


def prepare() -> None:
    """Call once in a process that serves, after its imports, before its loop runs.

    What is there by then stays to the end, so no collection looks at it again.

    SQLite's driver lets go of the interpreter at every row, and a busy event loop gives it back after the switch
    interval: at the default 5 ms a commit of 500 rows takes seconds, at 0.5 ms it takes its own time.
    """
    raise_descriptor_limit()
    share_arenas()
    gc.freeze()
    sys.setswitchinterval(_TURN_SECONDS)


def share_arenas() -> None:
    """Let the threads of this process take their memory from two places, not eight for each core.

    What a thread frees stays in the place it came from, and what another needs is taken anew; ``tests.benchmarks.desk``
    prints what a gateway and a desk hold. A C library that is not glibc has no such places.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)


def raise_descriptor_limit() -> None:
    """Let this process have as many file descriptors as its administrator allows, not as few as a shell suggests."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
