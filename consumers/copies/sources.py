"""Where books come back from: a copy's file, or the chain that the router keeps; each read and checked as a whole."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from consumers.copies import key
from consumers.copies.key import Identity
from consumers.copies.origin import CopyOrigin, KeptChain
from consumers.copies.piece import PieceHead, decode, put_together
from consumers.copies.tables import Tables, read_tables
from consumers.errors import CopyError, SpoolDamagedError, SpoolRevisionError
from consumers.spool.damage import require_sound
from consumers.spool.store import FILE_NAME, HEAD, open_spool

_SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class FoundCopy:
    """A copy that was read: what it holds, and what it is, in words."""

    tables: Tables
    words: str
    recipient: str = ""
    """What the copies at the router were encrypted to; empty: nothing is known of it."""


def read_file(path: Path) -> FoundCopy:
    """Read a copy of the whole database. It is not changed: an older one is brought up to date beside.

    Raises:
        CopyError: it is not there, no copy, damaged, or a newer program's.
    """
    try:
        with path.open("rb") as file:
            begins = file.read(len(_SQLITE))
    except OSError as error:
        raise CopyError(f"the copy cannot be read: {error}") from error
    if begins != _SQLITE:
        raise CopyError(f"{path} is no copy of a gateway's database")
    with TemporaryDirectory(prefix="congvan-restore-") as made:
        beside = Path(made) / FILE_NAME
        shutil.copyfile(path, beside)
        try:
            require_sound(beside)
            _require_spool(beside)
            with closing(open_spool(beside.parent)) as spool, spool.reading() as conn:
                return FoundCopy(read_tables(conn), path.name, key.recipient_of(conn))
        except SpoolDamagedError as error:
            raise CopyError(f"the copy {path} is damaged: {error.__cause__ or error}; take an earlier one") from error
        except SpoolRevisionError as error:
            raise CopyError(f"the copy {path} was made by a newer program; restore with that") from error


async def read_chain(origin: CopyOrigin, identity: Identity) -> tuple[FoundCopy, KeptChain]:
    """Read the newest copy at the router that the recovery key opens; and which it is.

    Raises:
        CopyError: there is none, none that this key opens, or it is damaged or not whole.
    """
    chains = await origin.chains()
    if not chains:
        raise CopyError("the router keeps no copy of this gateway's books; `--from-receipts` writes anew what it knows")
    wrong = None
    for chain in chains:
        try:
            return await _read_chain(origin, chain, identity), chain
        except key.OtherKeyError as error:
            wrong = error
    raise CopyError(f"none of the {len(chains)} copies at the router was encrypted to this recovery key") from wrong


async def _read_chain(origin: CopyOrigin, chain: KeptChain, identity: Identity) -> FoundCopy:
    pieces = []
    for kept in chain.pieces:
        what = f"piece {kept.number} of the copy of {chain.at}"
        data = await origin.piece(chain, kept)
        pieces.append((data, decode(key.decrypt(data, identity, what=what), what=what)))
    head, tables = put_together(pieces)
    _require_chain(head, chain)
    return FoundCopy(tables, f"the router's copy of {chain.at}, {len(pieces)} pieces", str(identity.to_public()))


def _require_chain(head: PieceHead, chain: KeptChain) -> None:
    if head.chain != chain.chain:
        raise CopyError(f"what the router gives as the copy {chain.chain} is another copy")
    if head.revision > HEAD:
        raise CopyError(f"the copy was made by a newer program (revision {head.revision}); restore with that")


def _require_spool(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name IN ('meta', 'inbox')").fetchone()
    if found != (2,):
        raise CopyError(f"{path.name} is a database, but no gateway's")
