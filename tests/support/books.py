"""What a unit's people did, as tests of copies and restored books need it; and the ledger as it would tell of it."""

import tempfile
from collections.abc import Collection, Sequence
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from consumers.copies.registrations import SaidReceipt, ToldDelivery
from consumers.copies.tables import COPIED
from consumers.reading import handling
from consumers.reading.handling import Acting, looked_at
from consumers.reading.inbox import get_entry, receipts_of
from consumers.spool import Spool, books, open_spool
from consumers.spool.book_entries import BookKey, Entry, EntryAuthor, entries
from consumers.spool.models import inbox
from consumers.spool.people import Card
from consumers.spool.store import FILE_NAME
from schemas.clock import now_ms
from schemas.dispatch import Secrecy
from schemas.register import BookKind, RegisterFields
from schemas.states import Status
from schemas.zone import zone
from support.deliveries import UNIT

HOA = Card("hoa", "Nguyễn Thị Hoa", "Văn thư", "Văn phòng")
NAM = Card("nam", "Trần Văn Nam", "Bí thư", "Thường trực")
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a file system without a disk behind it; the name is made by mkdtemp
BY = EntryAuthor(HOA.full_name, 1, HOA.department, "vì")


@cache
def an_empty_spool() -> bytes:
    """The file of a spool that was just made: its revisions take longer than all that is done to it here."""
    with tempfile.TemporaryDirectory() as name:
        open_spool(Path(name)).close()
        return (Path(name) / FILE_NAME).read_bytes()


def this_year() -> int:
    """Of the office's clock."""
    return datetime.now(zone()).year


def key(unit: str = UNIT) -> BookKey:
    """The arrival book of this year."""
    return BookKey(unit, BookKind.INCOMING, this_year())


def fields(subject: str = "Về việc phòng, chống rét") -> RegisterFields:
    """An entry of today."""
    return RegisterFields(day=datetime.now(zone()).date(), subject=subject)


def register(spool: Spool, delivery: str, *, unit: str = UNIT, number: int | None = None) -> int:
    """The clerk registers a document; its number."""
    with spool.reading() as conn:
        looked = looked_at(conn, delivery, {unit})[1]
    return handling.register(spool, looked, Acting(HOA, now_ms(), {unit}), fields(), number=number)


def submit(spool: Spool, delivery: str, *, unit: str = UNIT) -> None:
    """The clerk puts it before the leader."""
    with spool.reading() as conn:
        looked = looked_at(conn, delivery, {unit})[1]
    handling.submit(spool, looked, Acting(HOA, now_ms(), {unit}), NAM, "Trình đồng chí")


def on_paper(spool: Spool, subject: str = "Đơn của công dân", *, unit: str = UNIT) -> int:
    """The clerk enters what came on paper; its number."""
    with spool.writing() as conn:
        return books.enter(conn, key(unit), fields(subject), BY)


def book(spool: Spool, of: BookKey | None = None) -> list[Entry]:
    """A book's entries."""
    with spool.reading() as conn:
        return entries(conn, of or key())


def rows_of(spool: Spool, *without: str) -> dict[str, list[dict[str, Any]]]:
    """All rows of the tables that are copied."""
    with spool.reading() as conn:
        return {table.name: _rows(conn, table) for table in COPIED if table.name not in without}


def _rows(conn: Connection, table: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in conn.execute(select(table).order_by(*table.primary_key)).mappings()]


def told_by(spool: Spool, *, unit: str = UNIT, without: Collection[str] = ()) -> Sequence[ToldDelivery]:
    """What a ledger tells that has every receipt of a spool but those of some ids."""
    with spool.reading() as conn:
        ids = conn.scalars(select(inbox.c.delivery_id).where(inbox.c.unit == unit).order_by(inbox.c.seq)).all()
    return [_told(spool, one, without) for one in ids]


def _told(spool: Spool, delivery: str, without: Collection[str]) -> ToldDelivery:
    entry = get_entry(spool, delivery)
    said = [one for one in receipts_of(spool, delivery) if one.id not in without]
    receipts = [
        SaidReceipt(
            id=one.id,
            status=one.status.value,
            at=one.at,
            person=one.person or "",
            department=one.department or "",
            register_number=one.register_number or "",
        )
        for one in said
    ]
    last = said[-1] if said else None
    arrived = next((one.at for one in said if one.status is Status.ARRIVED), None)
    return ToldDelivery(
        id=delivery,
        state=last.status.value if last else Status.TAKEN.value,
        state_at=last.at if last else "2026-11-22T05:04:03+07:00",
        arrived_at=arrived,
        author="Văn phòng Tỉnh ủy",
        notation=entry.notation,
        type="công văn",
        subject=entry.subject,
        secrecy=Secrecy.SECRET if entry.secret else Secrecy.NONE,
        issued_on=date(2026, 11, 20),
        receipts=receipts,
    )
