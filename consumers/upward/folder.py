"""The outbox on disk: a folder per document, which is taken once and ends in ``sent`` or ``rejected``.

::

    <outbox>/<name>/                 put there by a rename, whole: dispatch.json and the attachments
    <outbox>/.taken/<id>/<name>/     claimed; the id is made now and stays, whatever is killed
    <outbox>/sent/<name>/            accepted by the router: accepted.json tells the dispatch's id
    <outbox>/rejected/<name>/        cannot be sent: reason.txt says why; mend it and move it back

Every step is one rename. Killed between two, the folder lies in ``.taken``, where it is found again; the id that names
its place is also the key by which the router knows the submission, so even a wiped spool sends nothing twice.
"""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from consumers.sinks.disk import DIRECTORY_MODE, make_directory, sync_directory, write_file
from schemas.ids import is_id, new_id

LETTER_NAME = "dispatch.json"
ACCEPTED_NAME = "accepted.json"
REASON_NAME = "reason.txt"
OURS = frozenset({ACCEPTED_NAME, REASON_NAME})
"""Written by the gateway, so never attachments: a rejected folder may be moved back as it is."""
PATIENCE = 60.0
"""Seconds that a folder without its letter is left alone: somebody may be copying it there after all."""
_TAKEN, _SENT, _REJECTED = ".taken", "sent", "rejected"
_MAX_NAME_BYTES = 200
_NOTE_MODE = 0o644
"""For whoever may look into the folder: its group need not be the gateway's."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A document's folder that was taken."""

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
        root.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        for name in (_TAKEN, _SENT, _REJECTED):
            _make_like(root, root / name)

    def appeared(self) -> list[Path]:
        """The folders that people have put there."""
        return sorted(Path(entry) for entry in os.scandir(self.root) if _is_document(entry))

    def claim(self, path: Path) -> Claimed:
        """Take a folder out of people's way; it has an id from now on."""
        claimed = Claimed(new_id(), path)
        return self.put(claimed)

    def put(self, claimed: Claimed) -> Claimed:
        """Move a folder to where claimed ones are, durably."""
        place = self.root / _TAKEN / claimed.id
        place.mkdir(mode=DIRECTORY_MODE)
        moved = claimed.path.rename(place / claimed.path.name)
        for directory in (place, place.parent, self.root):
            sync_directory(directory)
        return Claimed(claimed.id, moved)

    def claimed(self) -> list[Claimed]:
        """The folders that were taken and have not ended, the oldest first."""
        return list(self._claimed())

    def find(self, document: str) -> Claimed | None:
        """The folder of one document, while it has not ended."""
        place = self.root / _TAKEN / document
        inside = next((entry for entry in place.iterdir()), None) if place.is_dir() else None
        return None if inside is None else Claimed(document, inside)

    def file_sent(self, claimed: Claimed, accepted: bytes) -> Path:
        """Put a document that was accepted among those sent; where it is then."""
        return self._file(claimed, _SENT, ACCEPTED_NAME, accepted)

    def file_rejected(self, claimed: Claimed, reason: str) -> Path:
        """Put a document that cannot be sent among those rejected; where it is then."""
        return self._file(claimed, _REJECTED, REASON_NAME, f"{reason}\n".encode())

    def _claimed(self) -> Iterator[Claimed]:
        for place in sorted((self.root / _TAKEN).iterdir()):
            if not is_id(place.name):
                continue
            inside = self.find(place.name)
            if inside is not None:
                yield inside
            else:
                with suppress(OSError):  # killed before the folder came, or after it went
                    place.rmdir()

    def _file(self, claimed: Claimed, kind: str, note_name: str, note: bytes) -> Path:
        note_path = claimed.path / note_name
        note_path.unlink(missing_ok=True)
        write_file(note_path, note)
        note_path.chmod(_NOTE_MODE)
        sync_directory(claimed.path)
        final = self.root / kind / claimed.path.name
        if final.exists():
            short = os.fsencode(claimed.path.name)[:_MAX_NAME_BYTES]
            final = final.with_name(f"{os.fsdecode(short)} {claimed.id}")
        claimed.path.rename(final)
        sync_directory(final.parent)
        with suppress(OSError):  # an empty place is swept later
            claimed.path.parent.rmdir()
        return final


def _make_like(root: Path, path: Path) -> None:
    """Make a directory in which the people of the outbox may do what they may do in the outbox itself."""
    if not path.exists():
        make_directory(path)
        path.chmod(root.stat().st_mode & 0o777)  # without its set-group-id bit, which a sandbox does not let us set


def _is_document(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith(".") or entry.name in {_SENT, _REJECTED} or not entry.is_dir(follow_symlinks=False):
        return False
    with suppress(OSError):
        return (Path(entry) / LETTER_NAME).exists() or time.time() - entry.stat().st_mtime > PATIENCE
    return False
