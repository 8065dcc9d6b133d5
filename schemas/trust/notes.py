"""Signed notes: a text, and below it a line for each signature (C2SP signed-note, tlog-cosignature); by Ed25519."""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from schemas.trust.errors import NoteError

MAX_NOTE_BYTES = 16 * 1024
MAX_SIGNATURES = 32
"""Lines in one note; a verifier has to take at least 16."""
_MARK = "— "
_ID_BYTES, _KEY_BYTES, _TIME_BYTES = 4, 32, 8
_LOWEST_PRINTED = 0x20


class SignatureKind(IntEnum):
    """What a signature says; the number stands in the key's id."""

    NOTE = 1
    """That the text is the signer's."""
    COSIGNATURE = 4
    """That the text is the newest checkpoint that a witness has seen, at a time that it says."""


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A public key, 32 bytes, and the name that stands before its signatures; its text is what verifiers are given."""

    name: str
    key: bytes
    kind: SignatureKind = SignatureKind.NOTE

    @property
    def id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.key).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{_text_of(bytes([self.kind]) + self.key)}"

    @classmethod
    def parse(cls, text: str) -> "NoteKey":
        """Read ``<name>+<id>+<key>``.

        Raises:
            NoteError: it is no such text, or its id is another key's.
        """
        name, _, rest = text.strip().partition("+")
        told, _, encoded = rest.partition("+")
        packed = _bytes_of(encoded)
        if not name or len(packed) != _KEY_BYTES + 1 or packed[0] not in set(SignatureKind):
            raise NoteError(f"{text[:80]!r} is no key; it is written as name+12345678+base64")
        found = cls(name, packed[1:], SignatureKind(packed[0]))
        if found.id.hex() != told:
            raise NoteError(f"the key of {name} has the id {found.id.hex()}, not {told}: it was not copied whole")
        return found


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that holds, and when a witness gave it (UTC seconds)."""

    by: NoteKey
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A text that at least one known key has signed; who signed it."""

    text: str
    signed: tuple[Signed, ...]


def signature_line(text: str, name: str, key: SigningKey, *, at: int | None = None) -> str:
    """The line that goes below a text; ``at``: as a witness, at that time (UTC seconds)."""
    kind = SignatureKind.NOTE if at is None else SignatureKind.COSIGNATURE
    note_key = NoteKey(name, bytes(key.verify_key), kind)
    stamp = b"" if at is None else at.to_bytes(_TIME_BYTES, "big")
    return f"{_MARK}{name} {_text_of(note_key.id + stamp + key.sign(_message(text, at)).signature)}\n"


def note_of(text: str, *lines: str) -> str:
    """A text with the lines of its signatures."""
    return f"{text}\n{''.join(lines)}"


def open_note(note: str, keys: Sequence[NoteKey]) -> Note:
    """The text of a note that at least one of these keys has signed.

    Raises:
        NoteError: it is no note, none of the keys signed it, or the signature of one of them does not hold.
    """
    text, lines = _parts(note)
    known = {(key.name, key.id): key for key in keys}
    signed: dict[NoteKey, Signed] = {}
    for line in lines:
        name, _, encoded = line.removeprefix(_MARK).partition(" ")
        packed = _bytes_of(encoded)
        if not line.startswith(_MARK) or len(packed) <= _ID_BYTES:
            raise NoteError(f"{line[:80]!r} is no signature of a note")
        key = known.get((name, packed[:_ID_BYTES]))
        if key is not None and key not in signed:
            signed[key] = Signed(key, _verified(text, key, packed[_ID_BYTES:]))
    if not signed:
        raise NoteError("none of the keys that are trusted has signed the note")
    return Note(text, tuple(signed.values()))


def _parts(note: str) -> tuple[str, list[str]]:
    if len(note.encode()) > MAX_NOTE_BYTES:
        raise NoteError(f"the note is longer than {MAX_NOTE_BYTES} bytes")
    text, blank, below = note.rpartition("\n\n")
    lines = below.removesuffix("\n").split("\n")
    if not blank or not text or not below.endswith("\n") or any(ord(sign) < _LOWEST_PRINTED for sign in _inked(note)):
        raise NoteError("it is no note: a text, an empty line, and a line for each signature")
    if len(lines) > MAX_SIGNATURES:
        raise NoteError(f"the note has more than {MAX_SIGNATURES} signatures")
    return text + "\n", lines


def _inked(note: str) -> str:
    return note.replace("\n", "")


def _verified(text: str, key: NoteKey, packed: bytes) -> int | None:
    """When a witness signed; None: it is no witness's signature.

    Raises:
        NoteError: the signature does not hold.
    """
    is_witness = key.kind is SignatureKind.COSIGNATURE
    at = int.from_bytes(packed[:_TIME_BYTES], "big") if is_witness else None
    signature = packed[_TIME_BYTES:] if is_witness else packed
    try:
        VerifyKey(key.key).verify(_message(text, at), signature)
    except (BadSignatureError, ValueError):
        raise NoteError(f"the signature of {key.name} does not hold: the note was changed, or is not theirs") from None
    return at


def _message(text: str, at: int | None) -> bytes:
    return (text if at is None else f"cosignature/v1\ntime {at}\n{text}").encode()


def _text_of(packed: bytes) -> str:
    return b64encode(packed).decode()


def _bytes_of(text: str) -> bytes:
    """What base64 stands for; empty: it is none, or is written otherwise than anybody would."""
    try:
        packed = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return packed if _text_of(packed) == text else b""
