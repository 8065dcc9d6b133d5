"""The tree of hashes over the entries of a log, and proofs in it (RFC 6962, section 2.1; RFC 9162, section 2.1).

Hashes are 32 bytes of SHA-256. The tree over ``size`` entries is split at the largest power of two below ``size``, so
all of it but its right edge consists of perfect subtrees, which never change. A proof is made of their hashes: whoever
makes one gives a function that knows them (:data:`HashOf`), whoever checks one needs nothing else.
"""

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256().digest()
LONGEST_PROOF = 64
"""Hashes: more than a tree of 2⁶³ entries needs."""
HashOf = Callable[[int, int], bytes]
"""The hash of the perfect subtree of ``2 ** level`` entries with a number, counted from the left, from 0 on."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees side by side."""
    return sha256(b"\x01" + left + right).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over the hashes of entries, all at hand."""
    return tree_root(len(leaves), lambda level, number: _perfect(leaves, level, number))


def tree_root(size: int, hash_of: HashOf) -> bytes:
    """The root of the tree over the first ``size`` entries."""
    return _range_hash(0, size, hash_of) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, hash_of: HashOf) -> list[bytes]:
    """What shows that an entry is in the tree over the first ``size``: from the entry's side up to the root.

    Raises:
        ValueError: there is no such entry.
    """
    if not 0 <= index < size:
        raise ValueError(f"there is no entry {index} among {size}")
    return list(_inclusion(index, 0, size, hash_of))


def consistency_proof(old: int, size: int, hash_of: HashOf) -> list[bytes]:
    """What shows that the tree over the first ``size`` entries begins with that over the first ``old``.

    Raises:
        ValueError: ``old`` is larger, or no size.
    """
    if not 0 <= old <= size:
        raise ValueError(f"a tree of {size} entries does not begin with one of {old}")
    return [] if old in {0, size} else list(_consistency(old, 0, size, hash_of, whole=True))


def proves_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether a proof shows that an entry stands at an index of the tree with a root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size or len(proof) > LONGEST_PROOF:
        return False
    node, last, found = index, size - 1, leaf
    for beside in proof:
        if not last:
            return False
        if node & 1 or node == last:
            found = node_hash(beside, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, beside)
        node, last = node >> 1, last >> 1
    return not last and found == root


def proves_consistency(old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether a proof shows that a tree begins with an older one (RFC 9162, 2.1.4.2)."""
    if not 0 <= old <= size or len(proof) > LONGEST_PROOF:
        return False
    if old in {0, size}:
        return not proof and (old_root == EMPTY_ROOT if not old else old_root == root)
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    node, last = old - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    if not path:
        return False
    before = found = path[0]
    for beside in path[1:]:
        if not last:
            return False
        if node & 1 or node == last:
            before, found = node_hash(beside, before), node_hash(beside, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, beside)
        node, last = node >> 1, last >> 1
    return not last and before == old_root and found == root


def _perfect(leaves: Sequence[bytes], level: int, number: int) -> bytes:
    hashes = list(leaves[number << level : (number + 1) << level])
    while len(hashes) > 1:
        hashes = [node_hash(*hashes[place : place + 2]) for place in range(0, len(hashes), 2)]
    return hashes[0]


def _split(first: int, last: int) -> int:
    """Where the tree over the entries from ``first`` up to ``last``, at least two, is split."""
    return first + (1 << (last - first - 1).bit_length() - 1)


def _range_hash(first: int, last: int, hash_of: HashOf) -> bytes:
    count = last - first
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return hash_of(level, first >> level)
    middle = _split(first, last)
    return node_hash(_range_hash(first, middle, hash_of), _range_hash(middle, last, hash_of))


def _inclusion(index: int, first: int, last: int, hash_of: HashOf) -> Iterator[bytes]:
    if last - first == 1:
        return
    middle = _split(first, last)
    if index < middle:
        yield from _inclusion(index, first, middle, hash_of)
        yield _range_hash(middle, last, hash_of)
    else:
        yield from _inclusion(index, middle, last, hash_of)
        yield _range_hash(first, middle, hash_of)


def _consistency(old: int, first: int, last: int, hash_of: HashOf, *, whole: bool) -> Iterator[bytes]:
    """``whole``: the older tree is all that lies to the left, so its root is known to who asks."""
    if old == last:
        if not whole:
            yield _range_hash(first, last, hash_of)
        return
    middle = _split(first, last)
    if old <= middle:
        yield from _consistency(old, first, middle, hash_of, whole=whole)
        yield _range_hash(middle, last, hash_of)
    else:
        yield from _consistency(old, middle, last, hash_of, whole=False)
        yield _range_hash(first, middle, hash_of)
