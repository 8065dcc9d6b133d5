"""Books put back into a spool, as the tests of restoring do it."""

from consumers.copies.restoring import RestoredBooks, Restoring, restore
from consumers.copies.tables import Tables, read_tables
from consumers.copies.told import ToldDelivery
from consumers.spool import Spool, confirming
from consumers.spool.book_entries import EntryAuthor
from support.books import key, this_year
from support.deliveries import UNIT

QUAN = EntryAuthor("quan (command)", 4_000_000_000_000, reason="mất máy")


def copy_of(spool: Spool) -> Tables:
    with spool.reading() as conn:
        return read_tables(conn)


def put(
    spool: Spool,
    tables: Tables,
    told: list[ToldDelivery] | None = None,
    *,
    replace: bool = False,
    pattern: str = "LCA.02.#",
) -> RestoredBooks:
    with spool.writing() as conn:
        by_unit = None if told is None else {UNIT: told}
        wanted = Restoring(tables, by_unit, [UNIT], pattern, QUAN, this_year(), "a copy")
        return restore(conn, wanted, replace=replace)


def confirm(spool: Spool, following: int) -> None:
    with spool.writing() as conn:
        confirming.confirm(conn, key(), following, QUAN)
