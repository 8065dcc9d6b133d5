"""Checkpoints: how long a log is and the root over its entries, as the text of a signed note (C2SP tlog-checkpoint)."""

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from nacl.signing import SigningKey

from schemas.trust.errors import CheckpointError
from schemas.trust.merkle import HASH_BYTES
from schemas.trust.notes import NoteKey, Signed, note_of, open_note, signature_line

HEADER_LOG_KEY = "Congvan-Log-Key"
"""Beside a checkpoint over HTTP: by whom it is signed, for whoever sees the log for the first time."""
_FORM = re.compile(r"(?P<origin>[^\s+]+)\n(?P<size>0|[1-9][0-9]{0,18})\n(?P<root>[A-Za-z0-9+/]{43}=)\n")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's name, how many entries it has, and the root over them (32 bytes)."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Read what was signed; a checkpoint of ours has no further lines.

        Raises:
            CheckpointError: it is none.
        """
        found = _FORM.fullmatch(text)
        root = b64decode(found["root"]) if found else b""
        if found is None or len(root) != HASH_BYTES:
            raise CheckpointError("it is no checkpoint: the log's name, its size and its root, a line for each")
        return cls(found["origin"], int(found["size"]), root)


@dataclass(frozen=True, slots=True)
class OpenedCheckpoint:
    """A checkpoint whose log has signed it, and who signed it beside the log."""

    checkpoint: Checkpoint
    signed: tuple[Signed, ...]


def signed_checkpoint(checkpoint: Checkpoint, key: SigningKey) -> str:
    """The note of a log, signed under the log's name."""
    return note_of(checkpoint.text, signature_line(checkpoint.text, checkpoint.origin, key))


def open_checkpoint(note: str, log: NoteKey, witnesses: Sequence[NoteKey] = ()) -> OpenedCheckpoint:
    """The checkpoint in a note.

    Args:
        note: as it was given.
        log: the key that has to have signed it.
        witnesses: keys that may have.

    Raises:
        NoteError: the log has not signed it, or a signature does not hold.
        CheckpointError: it is none, or another log's.
    """
    opened = open_note(note, [log])
    checkpoint = Checkpoint.parse(opened.text)
    if checkpoint.origin != log.name:
        raise CheckpointError(f"it is a checkpoint of {checkpoint.origin}, not of {log.name}")
    return OpenedCheckpoint(checkpoint, open_note(note, [log, *witnesses]).signed)
