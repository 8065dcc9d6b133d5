"""The end of what a child process writes to its standard error, however much it writes."""

import asyncio
import contextlib
import os
from typing import Self

from consumers.sinks.reason import one_line

_PIPE_BYTES = 1 << 16
_KEPT_BYTES = 4096
_SHOWN = 300


class Tail:
    """A pipe that is read along while the child runs; its last bytes are kept.

    asyncio's own pipes would keep ``wait()`` waiting for as long as anything the child left behind holds them open.
    """

    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._kept = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._read_end)
        os.close(self._read_end)
        if self.write_end >= 0:
            os.close(self.write_end)

    def follow(self) -> None:
        """Read along from now on; our own copy of the child's end is closed."""
        os.close(self.write_end)
        self.write_end = -1
        asyncio.get_running_loop().add_reader(self._read_end, self._take)

    def last_line(self) -> str:
        """The last line that is not blank, cut short; to be asked when the child has ended."""
        self._take()
        lines = self._kept.decode(errors="replace").splitlines()
        return next((line for text in reversed(lines) if (line := one_line(text, _SHOWN))), "")

    def _take(self) -> None:
        with contextlib.suppress(BlockingIOError):
            piece = os.read(self._read_end, _PIPE_BYTES)
            self._kept = (self._kept + piece)[-_KEPT_BYTES:]
            if not piece:
                asyncio.get_running_loop().remove_reader(self._read_end)
