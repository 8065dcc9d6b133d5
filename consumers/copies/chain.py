"""What of the books the router has, and the piece that is on its way there: both on this disk, each replaced at once.

A piece is made once and sent as it is until the router has it; then what it brought counts as there. A kill between
sends it again, and the router knows it. What cannot be read here costs a whole copy, nothing else.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from consumers.copies import key
from consumers.copies.piece import Digests, PieceHead, changes_between, digests_of, encode
from consumers.copies.standing import copies_dir
from consumers.copies.tables import read_tables, revision_of
from consumers.errors import CopyTooLargeError
from consumers.spool import Spool
from router.storage.files import sync_directory, write_at
from schemas.copies import MAX_PIECE_BYTES, MAX_PIECES
from schemas.encoding import zstd
from schemas.ids import new_id

CONFIRMED, PENDING = "confirmed", "pending"
_NEW = ".new"
_ENDING = ".age"


@dataclass(frozen=True, slots=True)
class SentPiece:
    """A piece as it travels: where it stands in its chain, its name and bytes, and how far the chain has grown.

    Attributes:
        chain: the chain's id.
        number: 0 for everything.
        sha256: of the encrypted bytes.
        size: those bytes.
        made_at: UTC ms.
        spool_id: whose books.
        recipient: what it is encrypted to.
        whole: bytes of the chain's first piece.
        grown: bytes of all that followed it.
    """

    chain: str
    number: int
    sha256: str
    size: int
    made_at: int
    spool_id: str
    recipient: str
    whole: int
    grown: int

    @property
    def file_name(self) -> str:
        """Its file's, while it waits."""
        return f"{self.sha256}{_ENDING}"


def make_piece(spool: Spool, data_dir: Path, units: Sequence[str], now: int) -> SentPiece | None:
    """Make the piece that is sent next and keep it as pending; None: nothing has changed. Blocks.

    A chain is begun anew with everything when the recovery key or the spool is another, when it has many pieces, or
    when what followed has become more than the whole.

    Raises:
        CopyError: it is too large, or cannot be encrypted.
        SpoolUnavailableError: the spool cannot be read now.
        OSError: it cannot be written.
    """
    with spool.reading() as conn:
        recipient, revision, tables = key.recipient_of(conn), revision_of(conn), read_tables(conn)
    last, before = _read(data_dir, CONFIRMED)
    if last is None or _ends(last, spool.id, recipient):
        last, before = None, {}
    now_there = digests_of(tables)
    changes = changes_between(before, tables, now_there)
    if last is not None and not changes:
        return None
    chain, number = (new_id(), 0) if last is None else (last.chain, last.number + 1)
    head = PieceHead(chain, number, now, spool.id, revision, tuple(units), last.sha256 if last else "")
    data = key.encrypt(encode(head, changes), recipient)
    if len(data) > MAX_PIECE_BYTES:
        raise CopyTooLargeError(f"the copy has {len(data)} bytes; the router keeps pieces of at most {MAX_PIECE_BYTES}")
    whole, grown = (last.whole, last.grown + len(data)) if last else (len(data), 0)
    sha256 = hashlib.sha256(data).hexdigest()
    piece = SentPiece(chain, number, sha256, len(data), now, spool.id, recipient, whole, grown)
    _keep_pending(data_dir, piece, data, now_there)
    return piece


def pending(data_dir: Path) -> SentPiece | None:
    """The piece that is on its way."""
    piece, _ = _read(data_dir, PENDING)
    return piece if piece is not None and (copies_dir(data_dir) / piece.file_name).exists() else None


def confirm(data_dir: Path, piece: SentPiece) -> None:
    """The router has the pending piece: what it brought counts as there."""
    directory = copies_dir(data_dir)
    (directory / PENDING).replace(directory / CONFIRMED)
    sync_directory(directory)
    (directory / piece.file_name).unlink(missing_ok=True)


def begin_anew(data_dir: Path) -> None:
    """Forget what the router has: the next piece holds everything."""
    for name in (PENDING, CONFIRMED):
        (copies_dir(data_dir) / name).unlink(missing_ok=True)


def _ends(last: SentPiece, spool_id: str, recipient: str) -> bool:
    is_long = last.number + 1 >= MAX_PIECES or last.grown > last.whole
    return is_long or (last.spool_id, last.recipient) != (spool_id, recipient)


def _keep_pending(data_dir: Path, piece: SentPiece, data: bytes, digests: Digests) -> None:
    directory = copies_dir(data_dir)
    directory.mkdir(mode=0o700, exist_ok=True)
    for left in directory.glob(f"*{_ENDING}"):
        left.unlink()  # of a piece that was given up
    _replace(directory, piece.file_name, data)
    told = {name: [[*row, digest.hex()] for row, digest in rows.items()] for name, rows in digests.items()}
    _replace(directory, PENDING, zstd.compress(orjson.dumps({"piece": asdict(piece), "digests": told})))


def _replace(directory: Path, name: str, data: bytes) -> None:
    """Put a file in the place of another, durably and readable for us alone."""
    new = directory / f"{name}{_NEW}"
    new.unlink(missing_ok=True)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        write_at(descriptor, new.name, data, mode=0o600)
    finally:
        os.close(descriptor)
    new.replace(directory / name)
    sync_directory(directory)


def _read(data_dir: Path, name: str) -> tuple[SentPiece | None, Digests]:
    try:
        told: dict[str, Any] = orjson.loads(zstd.decompress((copies_dir(data_dir) / name).read_bytes()))
        rows = {
            table: {tuple(row[:-1]): bytes.fromhex(row[-1]) for row in some} for table, some in told["digests"].items()
        }
        return SentPiece(**told["piece"]), rows
    except (OSError, ValueError, KeyError, TypeError, zstd.ZstdError):
        return None, {}
