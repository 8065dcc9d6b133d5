"""A witness: signs a log's checkpoint if the log has only grown since the one that it signed before.

It is for another body than the router's: who shows two histories of a log needs its signature for both. It keeps one
small file for each log, written before it answers; killed at any moment it has signed nothing that it does not know.
"""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from nacl.signing import SigningKey

from router.tls.keeping import alone_in, make_private_directory, replace_file
from schemas.clock import Clock, now_ms
from schemas.trust.checkpoints import Checkpoint, open_checkpoint
from schemas.trust.errors import CheckpointError, NoteError, ProofError
from schemas.trust.merkle import EMPTY_ROOT
from schemas.trust.notes import NoteKey, SignatureKind, signature_line
from schemas.trust.witnessing import Seen, WitnessRequest, refusal

NOTHING = Seen(0, EMPTY_ROOT)


@dataclass(frozen=True, slots=True)
class WitnessAnswer:
    """HTTP status and text; of 200 the line of its signature."""

    status: int
    text: str


class Witness:
    """Signs for the logs that it knows.

    Args:
        name: of the witness, as it stands before its signatures.
        key: by which it signs.
        logs: the keys of the logs that it watches.
        directory: where it keeps what it has signed.
        clock: the present, UTC milliseconds.
    """

    def __init__(
        self, name: str, key: SigningKey, logs: Sequence[NoteKey], directory: Path, *, clock: Clock = now_ms
    ) -> None:
        self._name = name
        self._key = key
        self._logs = {log.name: log for log in logs}
        self._directory = directory
        self._clock = clock
        make_private_directory(directory)

    @property
    def public_key(self) -> NoteKey:
        """What others know it by."""
        return NoteKey(self._name, bytes(self._key.verify_key), SignatureKind.COSIGNATURE)

    def add_checkpoint(self, text: str) -> WitnessAnswer:
        """Sign a checkpoint, or say why not; blocks for as long as a disk takes."""
        try:
            asked = WitnessRequest.parse(text)
            origin = asked.note.partition("\n")[0]
            log = self._logs.get(origin)
            if log is None:
                return WitnessAnswer(404, f"{origin[:80]} is no log that is watched here\n")
            new = open_checkpoint(asked.note, log).checkpoint
        except (NoteError, CheckpointError) as error:
            return WitnessAnswer(403, f"{error}\n")
        except ProofError as error:
            return WitnessAnswer(400, f"{error}\n")
        with alone_in(self._directory):  # nobody else compares and keeps meanwhile, in another process neither
            status, why = refusal(self.seen(origin), asked, new)
            if status != 200:  # noqa: PLR2004 - HTTP's
                return WitnessAnswer(status, f"{why}\n")
            self._keep(origin, new)
            return WitnessAnswer(200, signature_line(new.text, self._name, self._key, at=self._clock() // 1000))

    def seen(self, origin: str) -> Seen:
        """What it has signed of a log."""
        try:
            size, root = self._file(origin).read_text("ascii").split("\n")[1:3]
        except FileNotFoundError:
            return NOTHING
        return Seen(int(size), b64decode(root))

    def _keep(self, origin: str, new: Checkpoint) -> None:
        replace_file(self._file(origin), f"{origin}\n{new.size}\n{b64encode(new.root).decode()}\n".encode())

    def _file(self, origin: str) -> Path:
        return self._directory / sha256(origin.encode()).hexdigest()[:32]
