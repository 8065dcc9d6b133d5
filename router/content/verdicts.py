"""Which stored files are known to have the bytes that their names promise, so that serving them costs no hash."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from router.content.disk import Mark

_NEVER = float("-inf")
REMEMBERED = 50_000
"""Contents; of more, those used last."""


class Verdicts:
    """Hashes that were found right, each with the mark of its file at that time. For any thread.

    Args:
        clock: seconds, only ever growing.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._right: OrderedDict[str, tuple[Mark, float]] = OrderedDict()

    def note(self, sha256: str, mark: Mark, *, on_disk: bool) -> None:
        """The bytes of a content were hashed, and are right: as the disk gave them, or as they passed on their way."""
        with self._lock:
            self._right[sha256] = (mark, self._clock() if on_disk else _NEVER)
            self._right.move_to_end(sha256)
            while len(self._right) > REMEMBERED:
                self._right.popitem(last=False)

    def move(self, sha256: str, before: Mark, after: Mark) -> None:
        """We have changed how a file looks, not its bytes: what was known of them is known."""
        with self._lock:
            known = self._right.get(sha256)
            if known is not None and known[0] == before:
                self._right[sha256] = (after, known[1])

    def knows(self, sha256: str, mark: Mark, *, within: float | None = None) -> bool:
        """Whether a file that looks like this was found right; ``within``: on the disk, so many seconds ago at most."""
        with self._lock:
            known = self._right.get(sha256)
            if known is None or known[0] != mark:
                return False
            self._right.move_to_end(sha256)
            return within is None or self._clock() - known[1] <= within
