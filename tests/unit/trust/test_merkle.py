"""The tree of a log and its proofs: published values, and every size and place against the definitions of RFC 6962."""

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.trust.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    proves_consistency,
    proves_inclusion,
    root_of,
    tree_root,
)

# The entries and roots that Certificate Transparency's implementations are tested with.
ENTRIES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
MOST = 70


def by_definition(entries: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, as it stands there."""
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return sha256(b"\x01" + by_definition(entries[:k]) + by_definition(entries[k:])).digest()


def hash_of(entries: Sequence[bytes]):  # type: ignore[no-untyped-def] # noqa: ANN201 - a closure of the test
    return lambda level, number: by_definition(entries[number << level : (number + 1) << level])


def entries_of(size: int) -> list[bytes]:
    return [f"entry {number}".encode() for number in range(size)]


@pytest.mark.parametrize("size", range(len(ENTRIES) + 1))
def test_the_root_is_the_published_one(size: int) -> None:
    assert root_of([leaf_hash(entry) for entry in ENTRIES[:size]]).hex() == ROOTS[size]
    assert tree_root(size, hash_of(ENTRIES)).hex() == ROOTS[size]


def test_every_entry_of_every_tree_is_proved_and_nothing_else() -> None:
    for size in range(1, MOST):
        entries = entries_of(size)
        root = by_definition(entries)
        for index in range(size):
            proof = inclusion_proof(index, size, hash_of(entries))
            leaf = leaf_hash(entries[index])
            assert proves_inclusion(leaf, index, size, proof, root)
            assert not proves_inclusion(leaf_hash(b"another"), index, size, proof, root)
            assert not proves_inclusion(leaf, index, size, [*proof, leaf], root)
            if proof:
                assert not proves_inclusion(leaf, index, size, proof[:-1], root)
                assert not proves_inclusion(leaf, index ^ 1, size, proof, root)


def test_every_tree_is_proved_to_begin_with_every_smaller_one_and_with_no_other() -> None:
    for size in range(MOST):
        entries = entries_of(size)
        root = by_definition(entries)
        for old in range(size + 1):
            proof = consistency_proof(old, size, hash_of(entries))
            old_root = by_definition(entries[:old])
            assert proves_consistency(old, old_root, size, root, proof)
            if 0 < old < size:
                other, longer = by_definition([b"changed", *entries[1:old]]), by_definition([b"changed", *entries[1:]])
                assert not proves_consistency(old, other, size, root, proof)
                assert not proves_consistency(old, old_root, size, longer, proof)
            assert not proves_consistency(old, old_root, size, root, [*proof, root])


@given(st.integers(1, 2**40), st.data())
def test_a_proof_in_a_tree_of_any_size_is_as_long_as_its_height_at_most(size: int, data: st.DataObject) -> None:
    same = leaf_hash(b"")
    levels = [same]
    while len(levels) < 42:
        levels.append(node_hash(levels[-1], levels[-1]))
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))

    def perfect(level: int, _number: int) -> bytes:
        return levels[level]

    root = tree_root(size, perfect)
    proof = inclusion_proof(index, size, perfect)
    assert len(proof) <= (size - 1).bit_length()
    assert proves_inclusion(same, index, size, proof, root)
    assert proves_consistency(old, tree_root(old, perfect), size, root, consistency_proof(old, size, perfect))


def test_what_is_no_place_or_size_is_refused() -> None:
    with pytest.raises(ValueError, match="no entry 3 among 3"):
        inclusion_proof(3, 3, hash_of(entries_of(3)))
    with pytest.raises(ValueError, match="does not begin"):
        consistency_proof(4, 3, hash_of(entries_of(3)))
    assert not proves_inclusion(EMPTY_ROOT, 0, 0, [], EMPTY_ROOT)
    assert not proves_consistency(3, EMPTY_ROOT, 2, EMPTY_ROOT, [])
