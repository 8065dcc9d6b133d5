"""What a log asks of its witnesses and what they answer (C2SP tlog-witness): texts, and when a witness signs."""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.trust.checkpoints import Checkpoint
from schemas.trust.errors import ProofError
from schemas.trust.merkle import HASH_BYTES, proves_consistency

MAX_REQUEST_BYTES = 32 * 1024
_MOST_LINES = 63


@dataclass(frozen=True, slots=True)
class WitnessRequest:
    """A new checkpoint, as its note, with the proof that it goes on from the one of ``old`` entries."""

    old: int
    proof: tuple[bytes, ...]
    note: str

    @property
    def text(self) -> str:
        """As it travels."""
        lines = [f"old {self.old}", *(b64encode(item).decode() for item in self.proof)]
        return "\n".join(lines) + f"\n\n{self.note}"

    @classmethod
    def parse(cls, text: str) -> "WitnessRequest":
        """Read what a log asks.

        Raises:
            ProofError: it is written otherwise.
        """
        head, blank, note = text.partition("\n\n")
        first, *lines = head.split("\n")
        word, _, number = first.partition(" ")
        if not blank or word != "old" or not number.isdecimal() or number != str(int(number)) or not number.isascii():
            raise ProofError("it begins with `old` and a size, then a proof, an empty line and a checkpoint")
        if len(lines) > _MOST_LINES:
            raise ProofError(f"the proof has more than {_MOST_LINES} lines")
        return cls(int(number), tuple(_hash_of(line) for line in lines), note)


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest checkpoint of a log that a witness has signed: how many entries, and the root over them."""

    size: int
    root: bytes


def refusal(seen: Seen, asked: WitnessRequest, new: Checkpoint) -> tuple[int, str]:
    """Why a witness does not sign: HTTP status and a sentence; 200: it does.

    Args:
        seen: what it has signed last; of a log that is new to it, nothing and the root over nothing.
        asked: the request.
        new: the checkpoint in it, whose signature holds.
    """
    if asked.old > new.size:
        return 400, f"a log of {new.size} entries does not go on from one of {asked.old}"
    if asked.old != seen.size:
        return 409, f"{seen.size}"
    if new.size == seen.size and new.root != seen.root:
        return 409, f"{seen.size}"
    if not proves_consistency(seen.size, seen.root, new.size, new.root, asked.proof if asked.old else ()):
        return 422, f"the log of {new.size} entries does not begin with the {seen.size} that were signed before"
    if not asked.old and asked.proof:
        return 422, "from nothing there is nothing to prove"
    return 200, ""


def cosignatures(answer: str) -> Sequence[str]:
    """The lines of a witness's answer; anything else in it is left out."""
    return [f"{line}\n" for line in answer.split("\n") if line.startswith("— ")]


def _hash_of(line: str) -> bytes:
    try:
        packed = b64decode(line, validate=True)
    except ValueError:
        packed = b""
    if len(packed) != HASH_BYTES:
        raise ProofError(f"{line[:60]!r} is no hash of a proof")
    return packed
