"""The outbox on disk: what people put there is taken once and ends in ``sent`` or ``rejected``.

::

    <outbox>/<name>/                 put there by a rename, whole: dispatch.json and the attachments
    <outbox>/.taken/<id>/<name>/     claimed; the id is made now and stays, whatever is killed
    <outbox>/sent/<name>/            accepted by the router: accepted.json holds the dispatch's id
    <outbox>/rejected/<name>/        cannot be sent: reason.txt says why; mend it and move it back

Every step is one rename. Killed between two, the folder lies in ``.taken``, where it is found again; the id that names
its place is also the key by which the router knows the submission, so even a wiped spool sends nothing twice.

People write here, so nothing is believed: each step goes by the descriptor of a directory, and follows no link. Whoever
swaps a folder for a link between two steps makes us work on the folder that we opened, or fail.
"""

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from consumers.sending.litter import is_litter
from consumers.sending.notes import ACCEPTED_NAME, REASON_NAME, free_note
from router.storage.files import DIRECTORY_MODE, make_directory, make_path, write_at
from schemas.ids import is_id, new_id

LETTER_NAME = "dispatch.json"
PATIENCE = 60.0
"""Seconds that something without a letter is left alone: somebody may be copying it there after all."""
_TAKEN, _SENT, _REJECTED = ".taken", "sent", "rejected"
_MAX_NAME_BYTES = 200
_NOTE_MODE = 0o644
"""Readable for whoever may look into the folder: its group need not be the gateway's."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class ClaimedFolder:
    """A document's folder that was taken; ``path`` is for people, and opened by :meth:`OutboxFolder.opened` alone."""

    id: str
    path: Path

    @property
    def name(self) -> str:
        """What the person called it; readable, whatever bytes the file system gave."""
        return os.fsencode(self.path.name).decode(errors="replace")


class OutboxFolder:
    """An outbox. Its methods block and raise OSError when the disk does not let them.

    Args:
        root: made when it is missing.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        make_path(root)
        for name in (_SENT, _REJECTED):
            _make_like(root, root / name)
        make_directory(root / _TAKEN)
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._taken = os.open(_TAKEN, _DIRECTORY, dir_fd=self._root)
        os.fchmod(self._taken, 0o700)  # nobody else has to do anything there
        self._seen: dict[str, tuple[int, float]] = {}

    def __del__(self) -> None:
        for name in ("_taken", "_root"):
            with suppress(OSError, AttributeError):
                os.close(getattr(self, name))

    def appeared(self) -> list[Path]:
        """What people have put there, and do not seem to be writing any more."""
        with os.scandir(self._root) as entries:
            found = [entry for entry in entries if _is_peoples(entry.name)]
        self._seen = {name: seen for name, seen in self._seen.items() if name in {entry.name for entry in found}}
        return sorted(self.root / entry.name for entry in found if self._is_whole(entry))

    def claim(self, path: Path) -> ClaimedFolder:
        """Take a folder, or a loose file, out of people's way; it has an id from now on."""
        claimed = ClaimedFolder(new_id(), path)
        place = self._place(claimed.id)
        try:
            with _closing(place):
                if not stat.S_ISDIR(os.stat(path.name, dir_fd=self._root, follow_symlinks=False).st_mode):
                    os.mkdir(path.name, DIRECTORY_MODE, dir_fd=place)
                    with _closing(os.open(path.name, _DIRECTORY, dir_fd=place)) as folder:
                        os.fchmod(folder, DIRECTORY_MODE)
                        os.rename(path.name, path.name, src_dir_fd=self._root, dst_dir_fd=folder)
                        os.fsync(folder)
                else:
                    os.rename(path.name, path.name, src_dir_fd=self._root, dst_dir_fd=place)
                os.fsync(place)
        except OSError:
            self._sweep(claimed.id)
            raise
        return self._synced(claimed.id, path.name)

    def put(self, claimed: ClaimedFolder) -> ClaimedFolder:
        """Move a folder of our own to where claimed ones are, durably."""
        with _closing(self._place(claimed.id)) as place:
            os.rename(claimed.path, claimed.path.name, dst_dir_fd=place)
            os.fsync(place)
        return self._synced(claimed.id, claimed.path.name)

    def claimed(self) -> list[ClaimedFolder]:
        """The folders that were taken and have not ended, the oldest first."""
        return list(self._claimed())

    def find(self, document: str) -> ClaimedFolder | None:
        """The folder of one document, while it has not ended."""
        try:
            with _closing(os.open(document, _DIRECTORY, dir_fd=self._taken)) as place:
                inside = min(os.listdir(place), default=None)  # noqa: PTH208 - by its descriptor
        except FileNotFoundError:
            return None
        return None if inside is None else ClaimedFolder(document, self.root / _TAKEN / document / inside)

    @contextmanager
    def opened(self, claimed: ClaimedFolder) -> Iterator[int]:
        """The descriptor of a claimed folder; what lies in it is opened by it.

        Raises:
            OSError: it is no folder any more.
        """
        with (
            _closing(os.open(claimed.id, _DIRECTORY, dir_fd=self._taken)) as place,
            _closing(os.open(claimed.path.name, _DIRECTORY, dir_fd=place)) as folder,
        ):
            yield folder

    def file_sent(self, claimed: ClaimedFolder, accepted: bytes) -> Path:
        """Put a document that was accepted among those sent; where it is then."""
        return self._file(claimed, _SENT, ACCEPTED_NAME, accepted)

    def file_rejected(self, claimed: ClaimedFolder, reason: bytes) -> Path:
        """Put a document that cannot be sent among those rejected; where it is then."""
        return self._file(claimed, _REJECTED, REASON_NAME, reason)

    def _is_whole(self, entry: os.DirEntry[str]) -> bool:
        """Whether it has its letter, or nobody has changed it for a while: by its time, or as we have watched it."""
        with suppress(OSError):
            if entry.is_dir(follow_symlinks=False) and _has_letter(self._root, entry.name):
                return True
            changed = entry.stat(follow_symlinks=False).st_mtime_ns
            if time.time() - changed / 1e9 > PATIENCE:
                return True
            before, since = self._seen.get(entry.name, (0, 0.0))
            if before == changed:
                return time.monotonic() - since > PATIENCE
            self._seen[entry.name] = changed, time.monotonic()
        return False

    def _place(self, document: str) -> int:
        os.mkdir(document, 0o700, dir_fd=self._taken)
        return os.open(document, _DIRECTORY, dir_fd=self._taken)

    def _synced(self, document: str, name: str) -> ClaimedFolder:
        for directory in (self._taken, self._root):
            _sync(directory)
        return ClaimedFolder(document, self.root / _TAKEN / document / name)

    def _claimed(self) -> Iterator[ClaimedFolder]:
        for name in sorted(os.listdir(self._taken)):  # noqa: PTH208 - by its descriptor
            if not is_id(name):
                continue
            with suppress(NotADirectoryError):
                inside = self.find(name)
                if inside is not None:
                    yield inside
                else:
                    self._sweep(name)  # killed before the folder came, or after it went

    def _sweep(self, document: str) -> None:
        with suppress(OSError):
            os.rmdir(document, dir_fd=self._taken)

    def _file(self, claimed: ClaimedFolder, kind: str, note_name: str, note: bytes) -> Path:
        name = claimed.path.name
        with self.opened(claimed) as folder:
            write_at(folder, free_note(folder, note_name), note, mode=_NOTE_MODE)
            _sync(folder)
        with (
            _closing(os.open(kind, _DIRECTORY, dir_fd=self._root)) as end,
            _closing(os.open(claimed.id, _DIRECTORY, dir_fd=self._taken)) as place,
        ):
            final = f"{os.fsdecode(os.fsencode(name)[:_MAX_NAME_BYTES])} {claimed.id}" if _is_there(end, name) else name
            os.rename(name, final, src_dir_fd=place, dst_dir_fd=end)
            _sync(end)
        self._sweep(claimed.id)
        return self.root / kind / final


@contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _sync(descriptor: int) -> None:
    with suppress(OSError):  # a share that cannot sync a directory: the server decides
        os.fsync(descriptor)


def _is_there(directory: int, name: str) -> bool:
    with suppress(FileNotFoundError):
        os.stat(name, dir_fd=directory, follow_symlinks=False)
        return True
    return False


def _has_letter(root: int, name: str) -> bool:
    with _closing(os.open(name, _DIRECTORY, dir_fd=root)) as folder:
        return _is_there(folder, LETTER_NAME)


def _make_like(root: Path, path: Path) -> None:
    """Make a directory in which the people of the outbox may do what they may do in the outbox itself."""
    if not path.exists():
        make_directory(path)
        path.chmod(root.stat().st_mode & 0o777)  # without its set-group-id bit, which a sandbox does not let us set


def _is_peoples(name: str) -> bool:
    return name not in {_SENT, _REJECTED} and not name.startswith(".") and not is_litter(name)
