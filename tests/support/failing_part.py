"""A program one part of which fails when a file appears: ``python -m support.failing_part FILE PART COMMAND…``.

``PART`` is a part's name, or ``a thread`` for one that keeps the process when all its parts are over.
"""

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import deploy.broker
import deploy.supervisor
from deploy.main import main
from router.process import ending
from router.process.parts import Start, Tended

THREAD = "a thread"
INJECTED = "injected failure"


class InjectedError(Exception):
    """Nothing that passes."""


def arrange(file: Path, part: str) -> None:
    """Have the part fail when the file is there."""
    if part == THREAD:
        threading.Thread(target=threading.Event().wait, name="idle", daemon=False).start()
        ending.ending.__wrapped__.__defaults__ = (2.0,)  # type: ignore[attr-defined]
    parts = {"relay", "courier"} if part == THREAD else {part}
    Tended.start = starting(parts, lambda: failing(file))  # type: ignore[assignment, method-assign]
    for kind, method in ((deploy.supervisor.Child, "_keep"), (deploy.broker.PrivateBroker, "_watch")):
        setattr(kind, method, failing_beside(file, part, getattr(kind, method)))


def starting(parts: set[str], fail: Start) -> Callable[[Tended, str, Start], asyncio.Task[None]]:
    """``Tended.start``, but some parts do what is given here."""
    start = Tended.start
    return lambda self, name, begin: start(self, name, fail if name in parts else begin)


def failing_beside(file: Path, part: str, keep: Callable[[Any], Coroutine[None, None, None]]) -> Callable[[Any], Any]:
    """Keep on as it would, and fail when the file is there."""

    async def kept(self: Any) -> None:
        mine = getattr(self, "name", "broker") == part
        if not mine:
            await keep(self)
            return
        keeping = asyncio.create_task(keep(self))
        try:
            await failing(file)
        finally:
            keeping.cancel()

    return kept


async def failing(file: Path) -> None:
    """Wait for the file, then fail."""
    while not file.exists():  # noqa: ASYNC110 - another process makes the file
        await asyncio.sleep(0.05)
    raise InjectedError(INJECTED)


if __name__ == "__main__":
    arrange(Path(sys.argv[1]), sys.argv[2])
    sys.argv = ["congvan", *sys.argv[3:]]
    main()
