"""The copies of units' books in the ledger: chains of pieces, each of the account that brought it.

The newest chain of a spool stays and the one before it; of an account's lost spools the newest few. What no chain names
any more is removed with the contents that nobody names.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, exists, select

from router.errors import CopyChainError
from router.ledger.models import book_copy as table
from router.ledger.models import content_holder, dispatch_attachment
from router.ledger.way import holders
from router.storage.statements import insert_of
from schemas.copies import CHAINS_OF_SPOOL, MAX_ACCOUNT_BYTES, MAX_CHAINS, NewPiece


@dataclass(frozen=True, slots=True)
class CopyPiece:
    """A piece; ``at`` UTC ms."""

    number: int
    sha256: str
    size: int
    at: int


@dataclass(frozen=True, slots=True)
class CopyChain:
    """A chain, its pieces from the first on."""

    chain: str
    account: str
    spool_id: str
    pieces: tuple[CopyPiece, ...]

    @property
    def at(self) -> int:
        """When its last piece came, UTC ms."""
        return self.pieces[-1].at

    @property
    def size(self) -> int:
        """Bytes of all its pieces."""
        return sum(piece.size for piece in self.pieces)


def add_piece(conn: Connection, account: str, place: tuple[str, int], new: NewPiece, *, now_ms: int) -> bool:
    """Name a content that an account has brought as the next piece of a chain; whether that is new.

    Args:
        conn: a transaction that writes.
        account: its name.
        place: the chain, and the piece's number in it.
        new: the piece.
        now_ms: the present, UTC ms.

    Raises:
        CopyChainError: the account has not brought it, the chain is another's or has become too large, or another
            piece is the next.
    """
    chain, number = place
    known = chain_of(conn, account, chain)
    before = known.pieces if known else ()
    if number < len(before) and before[number].sha256 == new.sha256:
        return False
    if known and known.size + new.size > MAX_ACCOUNT_BYTES:
        raise CopyChainError(f"the copy {chain} has {known.size} bytes; at most {MAX_ACCOUNT_BYTES} are kept")
    if number != len(before) or conn.scalar(select(exists().where(table.c.chain == chain, table.c.account != account))):
        raise CopyChainError(f"piece {number} of the copy {chain} is not the next: {len(before)} pieces are here")
    if not conn.scalar(
        select(exists().where(content_holder.c.account == account, content_holder.c.sha256 == new.sha256))
    ):
        raise CopyChainError(f"{new.sha256} was not uploaded by {account}")
    values = {"chain": chain, "number": number, "account": account, "spool_id": new.spool_id, "at": now_ms}
    statement = insert_of(conn, table).values(values | {"sha256": new.sha256, "size": new.size})
    if not conn.execute(statement.on_conflict_do_nothing()).rowcount:
        here = table.c.chain == chain, table.c.number == number, table.c.account == account
        if conn.scalar(select(table.c.sha256).where(*here)) == new.sha256:
            return False  # the same, whose answer was not waited for
        raise CopyChainError(f"another piece {number} of the copy {chain} came at the same moment")
    holders.mark_named(conn, [new.sha256])
    _forget(conn, account)
    return True


def chains(conn: Connection, accounts: Collection[str]) -> list[CopyChain]:
    """The chains of accounts, the one that was added to last first."""
    return _chains(conn, table.c.account.in_(accounts))


def chain_of(conn: Connection, account: str, chain: str) -> CopyChain | None:
    """A chain of an account; None: it has no such one."""
    return next(iter(_chains(conn, table.c.account == account, table.c.chain == chain)), None)


def newest_of(conn: Connection, accounts: Collection[str]) -> CopyChain | None:
    """The chain that was added to last; None: there is no copy."""
    return next(iter(chains(conn, accounts)), None)


def _chains(conn: Connection, *which: ColumnElement[bool]) -> list[CopyChain]:
    rows = conn.execute(select(table).where(*which).order_by(table.c.chain, table.c.number))
    found: dict[str, CopyChain] = {}
    for row in rows:
        pieces = found[row.chain].pieces if row.chain in found else ()
        piece = CopyPiece(row.number, row.sha256, row.size, row.at)
        found[row.chain] = CopyChain(row.chain, row.account, row.spool_id, (*pieces, piece))
    return sorted(found.values(), key=lambda one: (one.at, one.chain), reverse=True)


def _forget(conn: Connection, account: str) -> None:
    """Forget chains that are too many, and that the account brought what nothing names any more."""
    gone = list(_too_many(chains(conn, [account])))
    if not gone:
        return
    conn.execute(delete(table).where(table.c.chain.in_([chain.chain for chain in gone])))
    names = sorted({piece.sha256 for chain in gone for piece in chain.pieces})
    named = (exists().where(one.c.sha256 == content_holder.c.sha256) for one in (table, dispatch_attachment))
    brought = content_holder.c.account == account, content_holder.c.sha256.in_(names)
    conn.execute(delete(content_holder).where(*brought, *(~one for one in named)))


def _too_many(newest_first: Sequence[CopyChain]) -> Iterator[CopyChain]:
    """The chains to be forgotten: never the newest of all."""
    of_spool: dict[str, int] = {}
    kept = size = 0
    for chain in newest_first:
        of_spool[chain.spool_id] = of_spool.get(chain.spool_id, 0) + 1
        is_old = of_spool[chain.spool_id] > CHAINS_OF_SPOOL
        if is_old or kept >= MAX_CHAINS or (kept and size + chain.size > MAX_ACCOUNT_BYTES):
            yield chain
        else:
            kept, size = kept + 1, size + chain.size
