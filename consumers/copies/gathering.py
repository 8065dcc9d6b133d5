"""Gathers what books are put back from, before anything is changed: a copy, and what the ledger knows beyond it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import orjson
from sqlalchemy import Connection, select

from consumers.copies import key
from consumers.copies.key import Identity
from consumers.copies.origin import CopyOrigin, KeptChain
from consumers.copies.restoring import OPEN, RestoredBooks, Restoring, restore
from consumers.copies.sources import FoundCopy, read_chain, read_file
from consumers.copies.told import ToldDelivery
from consumers.fetching.content import DIRECTORY_NAME
from consumers.spool import Spool
from consumers.spool.book_entries import EntryAuthor
from consumers.spool.models import inbox, letter
from schemas.clock import to_ms
from schemas.ids import made_at
from schemas.zone import zone

REASON = "Số đã giữ trước khi mất dữ liệu, chưa rõ đã cấp hay chưa; xem trên giấy"
_NOTHING = FoundCopy({}, "receipts alone")


@dataclass(frozen=True, slots=True)
class Gathered:
    """What books are put back from.

    Attributes:
        copy: what it holds; empty: there is none.
        told: what the ledger has, by unit; None: it was not asked.
        units: the units of this gateway, as far as they are known.
        chain: the router's copy that it is; None: another.
    """

    copy: FoundCopy = _NOTHING
    told: Mapping[str, Sequence[ToldDelivery]] | None = None
    units: tuple[str, ...] = ()
    chain: KeptChain | None = field(default=None)


def from_file(path: Path, pattern: str) -> Gathered:
    """From a copy of the database, without the router.

    Args:
        path: the copy's.
        pattern: what the gateway hosts.

    Raises:
        CopyError: it is none, or damaged.
    """
    found = read_file(path)
    own = {row["unit"] for name in ("book", "inbox") for row in found.tables[name].values()}
    own |= set() if pattern.endswith(".#") or not pattern else {pattern}
    return Gathered(found, units=tuple(sorted(own)))


async def from_router(
    origin: CopyOrigin, *, copy: Gathered | None = None, identity: Identity | None = None
) -> Gathered:
    """From the copy at the router, or another one, and from what the ledger knows beyond it.

    Args:
        origin: the router.
        copy: another copy; None: there is none.
        identity: the recovery key that opens the router's; None: that is not wanted.

    Raises:
        CopyError: a copy cannot be had or read, or the router does not answer.
    """
    units = await origin.units()
    found, chain = (copy or Gathered()).copy, None
    if identity is not None:
        found, chain = await read_chain(origin, identity)
    since = _since(found)
    told = {unit: await origin.told(unit, since) for unit in units}
    return Gathered(found, told, tuple(units), chain)


def put_back(conn: Connection, gathered: Gathered, pattern: str, who: str, now: int, *, replace: bool) -> RestoredBooks:
    """Put the books back, in a transaction that writes.

    Args:
        conn: the transaction.
        gathered: from what.
        pattern: what the settings have the gateway host.
        who: restores.
        now: UTC ms.
        replace: give up the entries that are here.

    Raises:
        CopyError: there are entries here, or the copy is another gateway's; nothing was changed.
    """
    if gathered.copy.recipient and not key.recipient_of(conn):
        key.keep_recipient(conn, gathered.copy.recipient)  # the sheet of before opens what is copied from now on, too
    year = datetime.fromtimestamp(now / 1000, zone()).year
    by = EntryAuthor(who, now, reason=REASON)
    source, tables = gathered.copy.words, gathered.copy.tables
    wanted = Restoring(tables, gathered.told, gathered.units, pattern, by, year, source)
    return restore(conn, wanted, replace=replace)


def without_files(spool: Spool) -> int:
    """How many documents that people deal with are here without their files, which no copy holds. Blocks."""
    root = spool.path.parent / DIRECTORY_NAME
    with spool.reading() as conn:
        bodies = conn.scalars(
            select(letter.c.body).join(inbox, inbox.c.letter_pos == letter.c.pos).where(inbox.c.state.in_(OPEN))
        ).all()
    return sum(not all((root / name).exists() for name in _named(body)) for body in bodies)


def _named(body: bytes) -> list[str]:
    """The contents that a letter names and does not hold."""
    told = orjson.loads(body)
    files = [*told.get("attachments", ()), *filter(None, [told.get("record")])]
    return [file["sha256"] for file in files if file.get("inline") is None]


def _since(found: FoundCopy) -> int:
    """Since when the ledger is asked: since the year before began, or what the copy's oldest document is of."""
    began = datetime(datetime.now(zone()).year - 1, 1, 1, tzinfo=zone())
    made = (made_at(row["delivery_id"]) for row in found.tables.get("inbox", {}).values())
    return min([to_ms(began), *(at for at in made if at is not None)])
