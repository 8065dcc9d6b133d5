"""Puts books back into the spool of a machine that was set up anew: all of it in one transaction, or nothing.

The spool keeps its own id, so the router knows that another was lost, and its own receipt numbers. What the copy holds
gets new places beside what has come meanwhile; then what the ledger knows and the copy does not is written anew, for
the ledger is later than any copy; then the next number of every book waits for a person who has looked at the paper.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from consumers.copies import registrations
from consumers.copies.catching_up import DEALT_WITH, OVER, catch_up
from consumers.copies.registrations import Rewritten
from consumers.copies.tables import COPIED, REFERENCES, Row, Tables, to_column
from consumers.copies.told import ToldDelivery
from consumers.errors import CopyError
from consumers.spool import journal, outbox
from consumers.spool.book_entries import EntryAuthor
from consumers.spool.confirming import mark_restored
from consumers.spool.journal import JournalAct, JournalEntry
from consumers.spool.models import book, book_entry, book_version, inbox, receipt, step, task
from schemas.clock import now_ms
from schemas.codes import covers
from schemas.states import Status, steps_back

_NATURAL: Mapping[str, tuple[str, ...]] = {
    "letter": ("dispatch_id",),
    "inbox": ("delivery_id",),
    "receipt": ("id",),
    "journal": ("at", "person", "act", "unit", "subject", "detail"),
}
"""What a row is that may be here already: a document was sent again, or another copy was put back before."""
OPEN = frozenset({Status.ARRIVED, Status.REGISTERED, Status.ASSIGNED, Status.PROCESSING})
"""States of documents that people still deal with."""


@dataclass(frozen=True, slots=True)
class Restoring:
    """What is to be put back.

    Args:
        tables: what a copy holds; empty: there is none.
        told: what the ledger has, by unit; None: it was not asked.
        units: the units of this gateway.
        pattern: what the settings have it host.
        by: who restores, when and why.
        year: of that day, by the office's calendar.
        source: where the books come from, in a word.
    """

    tables: Tables
    told: Mapping[str, Sequence[ToldDelivery]] | None
    units: Sequence[str]
    pattern: str
    by: EntryAuthor
    year: int
    source: str


@dataclass(frozen=True, slots=True)
class RestoredBooks:
    """What came back: rows by table, what was written anew from receipts by unit.

    ``missing`` counts documents that the unit had, and still deals with, that are not here.
    """

    rows: Mapping[str, int]
    rewritten: Mapping[str, Rewritten] = field(default_factory=dict)
    missing: int = 0


def restore(conn: Connection, wanted: Restoring, *, replace: bool = False) -> RestoredBooks:
    """Put books back, in a transaction that writes.

    Args:
        conn: the transaction.
        wanted: what is put back.
        replace: give up the entries that are here, with the steps and tasks of their documents.

    Raises:
        CopyError: there are entries here, or the copy is another gateway's.
    """
    _require_own(wanted)
    _require_empty(conn, replace=replace)
    rows = _put_back(conn, wanted.tables, wanted.told)
    rewritten = {}
    for unit, told in (wanted.told or {}).items():
        catch_up(conn, told, wanted.by.at)
        rewritten[unit] = registrations.rewrite(conn, unit, told, wanted.by)
    mark_restored(conn, {*wanted.units, *_units_of_books(wanted.tables)}, wanted.by, wanted.year)
    for unit in wanted.units:
        told_of = JournalEntry(wanted.by.at, wanted.by.person, JournalAct.RESTORED, unit, wanted.source)
        journal.record(conn, told_of)
    return RestoredBooks(rows, rewritten, _missing(conn, wanted.told or {}))


def _missing(conn: Connection, told: Mapping[str, Sequence[ToldDelivery]]) -> int:
    here = set(conn.scalars(select(inbox.c.delivery_id)))
    return sum(one.state in OPEN and one.id not in here for some in told.values() for one in some)


def _units_of_books(tables: Tables) -> set[str]:
    return {row["unit"] for row in tables.get("book", {}).values()}


def _require_own(wanted: Restoring) -> None:
    rows = (*wanted.tables.get("book", {}).values(), *wanted.tables.get("inbox", {}).values())
    others = sorted({row["unit"] for row in rows if not covers(wanted.pattern, row["unit"])})
    if others:
        raise CopyError(
            f"the copy is of {', '.join(others[:5])}, and this gateway is of {wanted.pattern}; nothing was changed"
        )


def _require_empty(conn: Connection, *, replace: bool) -> None:
    entries = conn.scalar(select(func.count()).select_from(book_entry)) or 0
    if entries and not replace:
        raise CopyError(
            f"the registers of this machine hold {entries} entries already; `--replace` gives them up for those of the "
            "copy. Nothing was changed"
        )
    for table in (book_version, book_entry, book, *((step, task) if replace else ())):
        conn.execute(table.delete())


def _put_back(conn: Connection, tables: Tables, told: Mapping[str, Sequence[ToldDelivery]] | None) -> dict[str, int]:
    places: dict[str, dict[Any, int]] = {}
    counts: dict[str, int] = {}
    for table in COPIED:
        rows = tables.get(table.name, {})
        new = _Placed(conn, table, places).place(rows)
        if table is receipt:
            new = _numbered(conn, new, told)
        if new:
            keep = insert(table) if "pos" in table.c else upsert(table).on_conflict_do_nothing()
            conn.execute(keep, new)
        counts[str(table.name)] = len(rows)
    return counts


class _Placed:
    """Gives the rows of a table places of their own, and has them point to where the others are now.

    Args:
        conn: the transaction.
        table: whose rows.
        places: of the tables before, new by old; completed by this one's.
    """

    def __init__(self, conn: Connection, table: Table, places: dict[str, dict[Any, int]]) -> None:
        self._conn = conn
        self._table = table
        self._places = places

    def place(self, rows: Mapping[Row, Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The rows to insert; those that are here already are brought up to what the copy says."""
        moved = [self._pointing(to_column(self._table, row)) for row in rows.values() if self._has_place(row)]
        if "pos" not in self._table.c:
            return moved
        named = _NATURAL.get(self._table.name, ())
        here = self._here(named)
        highest = self._conn.scalar(select(func.max(self._table.c.pos))) or 0
        places = self._places[self._table.name] = {}
        new = []
        for row in moved:
            known = here.get(tuple(row[name] for name in named)) if here else None
            places[row["pos"]] = highest + row["pos"] if known is None else known
            if known is None:
                new.append(row | {"pos": highest + row["pos"]})
            elif self._table is inbox:
                self._catch_up(known, row)
        return new

    def _has_place(self, row: Mapping[str, Any]) -> bool:
        """Whether what it points to came with it: of a document that was on its way the copy holds no letter."""
        return all(at is None or at in self._places[REFERENCES[name]] for name, at in row.items() if name in REFERENCES)

    def _pointing(self, row: dict[str, Any]) -> dict[str, Any]:
        pointing = {name: at for name, at in row.items() if name in REFERENCES and at is not None}
        return row | {name: self._places[REFERENCES[name]][at] for name, at in pointing.items()}

    def _here(self, named: Sequence[str]) -> dict[tuple[Any, ...], int]:
        if not named:
            return {}
        columns = (self._table.c.pos, *(self._table.c[name] for name in named))
        return {tuple(row[1:]): row[0] for row in self._conn.execute(select(*columns))}

    def _catch_up(self, pos: int, row: Mapping[str, Any]) -> None:
        """A document that was sent again, and that people had dealt with, is where they had brought it."""
        if row["state"] in DEALT_WITH:
            values = {name: row[name] for name in ("state", "state_at", "reason", "reason_code")}
            self._conn.execute(update(inbox).where(inbox.c.pos == pos).values(values))


def _numbered(
    conn: Connection, rows: list[dict[str, Any]], told: Mapping[str, Sequence[ToldDelivery]] | None
) -> list[dict[str, Any]]:
    """Receipts as they count in this spool: those that the ledger has are another spool's, the others get its numbers.

    A number of the lost spool's means nothing in this one's: see :func:`outbox.send_again`. What was sent and the
    ledger does not have was lost on its way, or is on it still: it is said again, but for documents that are over,
    whose receipts the ledger may forget.
    """
    deliveries = {one.id: one for some in (told or {}).values() for one in some}
    recorded = {said.id for one in deliveries.values() for said in one.receipts}
    here = {row["id"] for row in rows}
    of = {row.pos: row for row in conn.execute(select(inbox.c.pos, inbox.c.unit, inbox.c.delivery_id))}
    now, kept, unsent = now_ms(), [], []
    for row in rows:
        known = deliveries.get(of[row["inbox_pos"]].delivery_id)
        is_lost = known is not None and known.state not in OVER
        is_known = row["id"] in recorded or (known is not None and _was_undone(row, known, here))
        if is_known or (row["sent_at"] is not None and not is_lost):
            kept.append(row | {"sent_at": row["sent_at"] or now, "seq": -abs(row["seq"])})
        else:
            unsent.append(row | {"sent_at": None})
    numbers = outbox.take_numbers(conn, [of[row["inbox_pos"]].unit for row in unsent])
    return kept + [row | {"seq": number} for row, number in zip(unsent, numbers, strict=True)]


def _was_undone(row: Mapping[str, Any], known: ToldDelivery, here: Collection[str]) -> bool:
    """Whether the ledger knows that what a receipt says was undone after the copy: then it is not said any more."""
    later = (said for said in known.receipts if said.undoes is not None and said.id not in here)
    return any(row["id"] == said.undoes or said.status in steps_back(Status(row["status"])) for said in later)
