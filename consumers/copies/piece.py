"""A piece of a copy: everything, or what has changed since the piece before; packed, then encrypted.

Each piece names its chain, its number in it and the hash of the one before, inside of what is encrypted: so no piece of
another chain, no older one and no hole can pass for the whole.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import orjson

from consumers.copies.tables import COPIED, Row, Tables, table_of, unknown_columns
from consumers.errors import CopyError, CopyTooLargeError
from schemas.encoding import zstd

FORM = 1
MAX_PLAIN = 128 * 1024**2
"""Bytes of a piece before it is packed: what is larger is no unit's books."""
_LEVEL = 12
_DIGEST = 8

Digests: TypeAlias = dict[str, dict[Row, bytes]]
"""What every row was like, by table and key."""


@dataclass(frozen=True, slots=True)
class PieceHead:
    """What a piece is: number 0 holds everything; ``made_at`` UTC ms, ``before`` the SHA-256 of the piece before."""

    chain: str
    number: int
    made_at: int
    spool_id: str
    revision: str
    units: tuple[str, ...]
    before: str = ""
    form: int = FORM


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a table: its columns, rows that are new or other than before, keys of those that are gone."""

    table: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    gone: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece that was read."""

    head: PieceHead
    changes: tuple[Change, ...]


def digests_of(tables: Tables) -> Digests:
    """What every row is like."""
    return {
        name: {key: hashlib.blake2b(orjson.dumps(row), digest_size=_DIGEST).digest() for key, row in rows.items()}
        for name, rows in tables.items()
    }


def changes_between(before: Digests, tables: Tables, now: Digests) -> list[Change]:
    """What is other than it was; of nothing before: everything."""
    return [change for table in COPIED if (change := _change(table.name, before, tables, now)) is not None]


def encode(head: PieceHead, changes: Iterable[Change]) -> bytes:
    """A piece, packed: JSON lines, the head first.

    Raises:
        CopyTooLargeError: it is larger than any copy may be; no more of it than that was made.
    """
    lines, size = [orjson.dumps(asdict(head))], 0
    for change in changes:
        lines.append(orjson.dumps(asdict(change)))
        size += len(lines[-1])
        if size > MAX_PLAIN:
            raise CopyTooLargeError(f"the copy has more than {size} bytes; at most {MAX_PLAIN} are copied")
    return zstd.compress(b"\n".join(lines), _LEVEL)


def decode(packed: bytes, *, what: str) -> Piece:
    """Read a piece.

    Raises:
        CopyError: it is damaged, or of a newer program.
    """
    try:
        unpacker = zstd.ZstdDecompressor()
        plain = unpacker.decompress(packed, MAX_PLAIN)
        if not unpacker.eof:
            raise CopyError(f"{what} ends early, or is larger than any copy")
        first, *lines = plain.split(b"\n")
        told = orjson.loads(first)
        if told["form"] != FORM:
            raise CopyError(f"{what} was made by another version of the program: its form is {told['form']}")
        head = PieceHead(**told | {"units": tuple(told["units"])})
        return Piece(head, tuple(_read_change(orjson.loads(line)) for line in lines))
    except (zstd.ZstdError, ValueError, KeyError, TypeError) as error:
        raise CopyError(f"{what} cannot be read: {error}") from error


def put_together(pieces: Iterable[tuple[bytes, Piece]]) -> tuple[PieceHead, Tables]:
    """What a chain holds in all, and the head of its last piece.

    Args:
        pieces: each as it was kept, encrypted, and as it was read.

    Raises:
        CopyError: one is missing, or of another chain; or of a program that has more columns.
    """
    tables: Tables = {table.name: {} for table in COPIED}
    last: tuple[PieceHead, str] | None = None
    for kept, piece in pieces:
        _require_follows(piece.head, last)
        for change in piece.changes:
            _apply(tables, change)
        last = piece.head, hashlib.sha256(kept).hexdigest()
    if last is None:
        raise CopyError("there is no piece of a copy")
    return last[0], tables


def _change(name: str, before: Digests, tables: Tables, now: Digests) -> Change | None:
    old, new = before.get(name, {}), now[name]
    other = [tables[name][key] for key, digest in new.items() if old.get(key) != digest]
    gone = tuple(key for key in old if key not in new)
    if not other and not gone:
        return None
    columns = tuple(other[0]) if other else ()
    return Change(name, columns, tuple(tuple(row.values()) for row in other), gone)


def _read_change(told: Mapping[str, Any]) -> Change:
    rows, gone = (tuple(tuple(row) for row in told[name]) for name in ("rows", "gone"))
    return Change(told["table"], tuple(told["columns"]), rows, gone)


def _require_follows(head: PieceHead, last: tuple[PieceHead, str] | None) -> None:
    if last is None:
        if head.number:
            raise CopyError(f"the copy begins with piece {head.number}; the pieces before it are missing")
        return
    before, digest = last
    if head.chain != before.chain:
        raise CopyError(f"piece {head.number} is of another copy than the pieces before it")
    if head.number != before.number + 1:
        raise CopyError(f"after piece {before.number} of the copy comes piece {head.number}; those between are missing")
    if head.before != digest:
        raise CopyError(f"piece {head.number} of the copy was made after another piece {before.number} than this one")


def _apply(tables: Tables, change: Change) -> None:
    table = table_of(change.table)
    if table is None or unknown_columns(table, change.columns):
        raise CopyError(f"the copy holds more of {change.table} than this program knows; restore with a newer one")
    rows = tables[table.name]
    for key in change.gone:
        rows.pop(key, None)
    for row in _as_mappings(change):
        rows[tuple(row[column.name] for column in table.primary_key)] = row


def _as_mappings(change: Change) -> Iterator[dict[str, Any]]:
    return (dict(zip(change.columns, row, strict=True)) for row in change.rows)
