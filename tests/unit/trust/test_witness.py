"""A witness signs what has only grown, keeps what it signed, and refuses everything else."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from router.trust.witness import Witness
from schemas.trust import merkle
from schemas.trust.checkpoints import Checkpoint, open_checkpoint, signed_checkpoint
from schemas.trust.errors import ProofError
from schemas.trust.notes import NoteKey
from schemas.trust.witnessing import WitnessRequest, cosignatures

ORIGIN = "congvan.tinh.vn/log"
LOG = SigningKey(b"l" * 32)
LOG_KEY = NoteKey(ORIGIN, bytes(LOG.verify_key))
NAME = "nhan-chung.vn"
KEY = SigningKey(b"w" * 32)
AT = 1_795_000_000


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return witness_in(tmp_path)


def witness_in(directory: Path) -> Witness:
    return Witness(NAME, KEY, [LOG_KEY], directory, clock=lambda: AT * 1000)


def leaves(size: int, history: str = "") -> list[bytes]:
    return [merkle.leaf_hash(f"{history}{number}".encode()) for number in range(size)]


def request(old: int, size: int, history: str = "", proof: Sequence[bytes] | None = None) -> str:
    hashes = leaves(size, history)

    def hash_of(level: int, number: int) -> bytes:
        return merkle.root_of(hashes[number << level : (number + 1) << level])

    note = signed_checkpoint(Checkpoint(ORIGIN, size, merkle.root_of(hashes)), LOG)
    found = merkle.consistency_proof(old, size, hash_of) if proof is None else proof
    return WitnessRequest(old, tuple(found), note).text


def test_a_log_that_has_only_grown_is_signed_with_the_time(witness: Witness) -> None:
    for old, size in ((0, 3), (3, 3), (3, 10), (10, 70)):
        asked = request(old, size)
        answer = witness.add_checkpoint(asked)
        assert answer.status == 200
        note = WitnessRequest.parse(asked).note + "".join(cosignatures(answer.text))
        opened = open_checkpoint(note, LOG_KEY, [witness.public_key])
        assert [(item.by.name, item.at) for item in opened.signed] == [(ORIGIN, None), (NAME, AT)]
        assert opened.checkpoint.size == witness.seen(ORIGIN).size == size


def test_who_is_behind_is_told_what_was_signed(witness: Witness, tmp_path: Path) -> None:
    witness.add_checkpoint(request(0, 5))
    assert witness.add_checkpoint(request(0, 7)).text == "5\n"
    again = witness_in(tmp_path)
    assert again.add_checkpoint(request(3, 7)).status == 409
    assert again.add_checkpoint(request(5, 7)).status == 200


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (request(5, 5, "other "), 409),
        (request(5, 9, "other "), 422),
        (request(5, 9, proof=leaves(4)), 422),
        (request(0, 3), 409),
        (request(5, 9).replace("old 5", "old 10"), 400),
        (request(5, 9).replace("\n9\n", "\n8\n"), 403),
        (request(5, 9).replace(ORIGIN, "khac.vn"), 404),
        ("old 05\n\n" + request(5, 9).partition("\n\n")[2], 400),
        ("old 5\nnothing\n\n" + request(5, 9).partition("\n\n")[2], 400),
        ("old 5\n" + "A" * 43 + "=\n" * 64, 400),
        ("", 400),
    ],
)
def test_anything_else_is_refused_and_changes_nothing(witness: Witness, asked: str, status: int) -> None:
    witness.add_checkpoint(request(0, 5))
    assert witness.add_checkpoint(asked).status == status
    assert witness.seen(ORIGIN).size == 5
    assert witness.add_checkpoint(request(5, 9)).status == 200


def test_a_proof_is_no_longer_than_any_could_be() -> None:
    with pytest.raises(ProofError, match="more than 63"):
        WitnessRequest.parse("old 1\n" + ("A" * 43 + "=\n") * 64 + "\nnote")
