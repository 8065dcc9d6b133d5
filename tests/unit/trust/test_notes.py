"""Signed notes and checkpoints: a published one is read, ours are read by their keys, and a changed byte is found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from schemas.trust.checkpoints import Checkpoint, open_checkpoint, signed_checkpoint
from schemas.trust.errors import CheckpointError, NoteError, ProofError
from schemas.trust.merkle import leaf_hash
from schemas.trust.notes import MAX_SIGNATURES, NoteKey, SignatureKind, note_of, open_note, signature_line

# The example of Go's golang.org/x/mod/sumdb/note.
PUBLISHED_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PUBLISHED = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ORIGIN = "congvan.tinh.vn/log"
LOG = SigningKey(b"l" * 32)
WITNESS = SigningKey(b"w" * 32)
LOG_KEY = NoteKey(ORIGIN, bytes(LOG.verify_key))
WITNESS_KEY = NoteKey("nhan-chung.vn", bytes(WITNESS.verify_key), SignatureKind.COSIGNATURE)
CHECKPOINT = Checkpoint(ORIGIN, 20852163, leaf_hash(b"root"))
NOTE = signed_checkpoint(CHECKPOINT, LOG)


def test_a_published_note_is_read_by_its_published_key() -> None:
    key = NoteKey.parse(PUBLISHED_KEY)
    assert str(key) == PUBLISHED_KEY
    note = open_note(PUBLISHED, [key])
    assert note.text.startswith("If you think")
    assert [item.by.name for item in note.signed] == ["PeterNeumann"]


def test_a_checkpoint_is_read_with_who_signed_it_and_when() -> None:
    line = signature_line(CHECKPOINT.text, WITNESS_KEY.name, WITNESS, at=1_795_000_000)
    opened = open_checkpoint(NOTE + line, LOG_KEY, [WITNESS_KEY])
    assert opened.checkpoint == CHECKPOINT
    assert [(item.by, item.at) for item in opened.signed] == [(LOG_KEY, None), (WITNESS_KEY, 1_795_000_000)]


def test_signatures_of_strangers_are_passed_over_and_alone_they_are_not_enough() -> None:
    stranger = SigningKey(b"s" * 32)
    note = NOTE + signature_line(CHECKPOINT.text, "la.vn", stranger)
    assert open_checkpoint(note, LOG_KEY).checkpoint == CHECKPOINT
    with pytest.raises(NoteError, match="none of the keys"):
        open_checkpoint(note_of(CHECKPOINT.text, signature_line(CHECKPOINT.text, ORIGIN, stranger)), LOG_KEY)


def test_a_false_signature_in_a_known_name_spoils_the_note() -> None:
    false = NOTE.replace("20852163", "20852164")
    with pytest.raises(NoteError, match=f"signature of {ORIGIN} does not hold"):
        open_checkpoint(false, LOG_KEY)


@given(st.integers(0, len(NOTE.encode()) - 1), st.integers(1, 255))
def test_no_byte_of_a_note_can_be_changed(place: int, change: int) -> None:
    packed = bytearray(NOTE.encode())
    packed[place] ^= change
    with pytest.raises((ProofError, UnicodeDecodeError)):
        open_checkpoint(packed.decode(), LOG_KEY)


def test_a_signature_is_written_in_one_way_alone() -> None:
    spare = NOTE[-4]
    others = [
        NOTE[:-4] + sign + NOTE[-3:] for sign in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    ]
    for other in others:
        if other[-4] != spare:
            with pytest.raises(NoteError):
                open_checkpoint(other, LOG_KEY)


@given(st.text(max_size=300))
def test_any_text_is_a_note_or_refused(text: str) -> None:
    with pytest.raises(NoteError):
        open_note(text, [LOG_KEY])


@pytest.mark.parametrize(
    "text",
    ["", "x\n1\n", f"{ORIGIN}\n01\n{'A' * 43}=\n", f"a b\n1\n{'A' * 43}=\n", f"{ORIGIN}\n1\n{'A' * 43}=\nmore\n"],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint"):
        Checkpoint.parse(text)


def test_a_checkpoint_of_another_log_is_refused() -> None:
    note = note_of(CHECKPOINT.text, signature_line(CHECKPOINT.text, "khac.vn", LOG))
    with pytest.raises(CheckpointError, match=f"of {ORIGIN}, not of khac.vn"):
        open_checkpoint(note, NoteKey("khac.vn", LOG_KEY.key))


def test_a_note_has_no_more_signatures_than_anybody_should_check() -> None:
    with pytest.raises(NoteError, match="more than"):
        open_note(note_of("text\n", *["— la.vn AAAAAAAA\n"] * (MAX_SIGNATURES + 1)), [LOG_KEY])


@pytest.mark.parametrize(
    "text", ["", "a+b+c", f"{ORIGIN}+00000000+{PUBLISHED_KEY.rpartition('+')[2]}", PUBLISHED_KEY[:-4]]
)
def test_what_is_no_key_or_not_whole_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        NoteKey.parse(text)
