"""The tree over the log's entries: roots, proofs and tiles, from the hashes that the ledger keeps.

Kept are the entries' hashes and those of complete subtrees of 256, 256², … entries (a tile's worth, C2SP tlog-tiles);
what lies between is hashed when it is asked for, from 256 hashes at most.
"""

from collections.abc import Iterator

from sqlalchemy import Connection, select, update

from router.ledger.log.appending import HEAD
from router.ledger.models import log_entry, log_head, log_node
from router.storage.statements import insert_of
from schemas.trust import merkle

TILE = 256
"""Hashes in a full tile."""
_BITS = 8
_SEALED_AT_ONCE = 64
"""Tiles in one transaction."""


def size_of(conn: Connection) -> int:
    """How many entries the log has."""
    found: int = conn.execute(select(log_head.c.size).where(log_head.c.name == HEAD)).scalar_one()
    return found


def root(conn: Connection, size: int) -> bytes:
    """The root over the first ``size`` entries."""
    return merkle.tree_root(size, _Hashes(conn))


def inclusion_proof(conn: Connection, number: int, size: int) -> list[bytes]:
    """What shows that an entry is among the first ``size``.

    Raises:
        ValueError: it is not.
    """
    return merkle.inclusion_proof(number, size, _Hashes(conn))


def consistency_proof(conn: Connection, old: int, size: int) -> list[bytes]:
    """What shows that the first ``old`` entries are the beginning of the first ``size``.

    Raises:
        ValueError: they are more.
    """
    return merkle.consistency_proof(old, size, _Hashes(conn))


def tile(conn: Connection, level: int, number: int, width: int) -> list[bytes]:
    """The first ``width`` hashes of a tile; fewer: the log has no more."""
    return _hashes(conn, level, number * TILE, width)


def seal(conn: Connection) -> bool:
    """Keep the hashes of subtrees that have become complete, some at a time; whether there are more.

    Entries never change, so two who do so at once keep the same.
    """
    head = conn.execute(select(log_head.c.size, log_head.c.sealed).where(log_head.c.name == HEAD)).one()
    first, full = head.sealed // TILE, head.size // TILE
    last = min(full, first + _SEALED_AT_ONCE)
    for number in range(first, last):
        _seal(conn, number)
    if last > first:
        conn.execute(update(log_head).where(log_head.c.name == HEAD).values(sealed=last * TILE))
    more: bool = last < full
    return more


def _seal(conn: Connection, number: int) -> None:
    """Keep the hash of a full tile of entries, and of each subtree that it completes."""
    level = 0
    while True:
        found = merkle.root_of(_hashes(conn, level, number * TILE, TILE))
        level += 1
        node = {"level": level, "number": number, "hash": found}
        conn.execute(insert_of(conn, log_node).values(node).on_conflict_do_nothing())
        if (number + 1) % TILE:
            return
        number //= TILE


def _hashes(conn: Connection, level: int, first: int, count: int) -> list[bytes]:
    """So many hashes of a level of tiles, from a number on."""
    if level:
        key, value = log_node.c.number, log_node.c.hash
        rows = select(value).where(log_node.c.level == level, key >= first, key < first + count)
    else:
        key, value = log_entry.c.number, log_entry.c.leaf_hash
        rows = select(value).where(key >= first, key < first + count)
    return [bytes(one) for one in conn.scalars(rows.order_by(key))]


class _Hashes:
    """The hash of any complete subtree, as :data:`schemas.trust.merkle.HashOf` asks for it."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._sealed = conn.execute(select(log_head.c.sealed).where(log_head.c.name == HEAD)).scalar_one()

    def __call__(self, level: int, number: int) -> bytes:
        first, last = number << level, (number + 1) << level
        if last <= self._sealed or level < _BITS:
            tiles = level // _BITS
            count = 1 << level - tiles * _BITS
            return merkle.root_of(_hashes(self._conn, tiles, number * count, count))
        middle = (first + last) // 2
        half = level - 1
        return merkle.node_hash(self(half, first >> half), self(half, middle >> half))


def entries(conn: Connection, after: int, limit: int) -> Iterator[tuple[int, str, bytes, bytes]]:
    """Entries from a number on: number, kind, hash and packed ids."""
    columns = (log_entry.c.number, log_entry.c.kind, log_entry.c.leaf_hash, log_entry.c.ids)
    rows = select(*columns).where(log_entry.c.number >= after).order_by(log_entry.c.number).limit(limit)
    for row in conn.execute(rows):
        yield row[0], row[1], bytes(row[2]), bytes(row[3])
