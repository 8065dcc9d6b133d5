"""One request's share of an upload: appends bytes as long as no later request has taken the turn.

The part is opened with the first byte that may be appended, under the lock and with the turn: a request that brings
none, or too many, never opens what an earlier one has finished.
"""

import os
import threading
from collections.abc import Callable

from router.content import disk_full_told
from router.content.uploads.files import UploadFiles
from router.errors import OffsetConflictError, TooLargeError

_CLOSED = -1


class Appender:
    """Appends behind what is there. Its methods block; they are called in threads, one after the other.

    A request that is cancelled leaves its last call running in a thread, so the calls take turns.

    Args:
        files: of the upload.
        turn: the name of this request's turn.
        position: where its bytes begin.
        length: bytes that the whole has.
        require_room: raises ContentFullError when so many bytes do not fit on the disk.
    """

    def __init__(
        self, files: UploadFiles, *, turn: str, position: int, length: int, require_room: Callable[[int], None]
    ) -> None:
        self.files = files
        self.turn = turn
        self.position = position
        self.length = length
        self._require_room = require_room
        self._calls = threading.RLock()
        self._fd = _CLOSED
        self._over = False

    def append(self, data: bytes) -> None:
        """Write bytes; they are durable after :meth:`close`.

        Raises:
            OffsetConflictError: a later request has taken the turn.
            TooLargeError: more bytes than were announced; these are not kept.
            ContentFullError: no room is left; these are not kept.
        """
        with self._calls:
            if not data:
                return
            if self.position + len(data) > self.length:
                raise TooLargeError(f"the upload was announced with {self.length} bytes, and more came")
            self._require_room(len(data))
            with self.files.locked():
                if self._over or not self.files.has_turn(self.turn):
                    raise OffsetConflictError("another request has gone on with this upload since", offset=None)
                with disk_full_told():
                    self._open()
                    self._write(data)

    def close(self) -> int:
        """Make durable what was written and let go of the file; how far the upload has come by this request.

        Raises:
            ContentFullError: no room is left for what was written.
        """
        with self._calls, disk_full_told():
            self._over = True
            if self._fd != _CLOSED:
                fd, self._fd = self._fd, _CLOSED
                try:
                    os.fsync(fd)
                finally:
                    os.close(fd)
            return self.position

    def _open(self) -> None:
        if self._fd == _CLOSED:
            self._fd = os.open(self.files.part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def _write(self, data: bytes) -> None:
        rest, offset = memoryview(data), self.position
        try:
            while rest:
                count = os.pwrite(self._fd, rest, offset)
                rest, offset = rest[count:], offset + count
        except OSError:
            os.ftruncate(self._fd, self.position)  # the size is the offset: half a piece would count as whole
            raise
        self.position = offset
