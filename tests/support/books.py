"""What a unit's people did, as tests of copies and restored books need it; and the ledger as it would tell of it."""

import tempfile
from collections.abc import Collection, Sequence
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from consumers.copies.tables import COPIED
from consumers.copies.told import SaidReceipt, ToldDelivery
from consumers.reading import handling, undoing
from consumers.reading.handling import Acting, Direction, looked_at
from consumers.reading.inbox import get_entry
from consumers.spool import Spool, books, open_spool
from consumers.spool.book_entries import BookKey, Entry, EntryAuthor, entries
from consumers.spool.models import inbox, receipt
from consumers.spool.outbox import RECEIPTS, Unsent
from consumers.spool.people import Card
from consumers.spool.said import effect_of
from consumers.spool.store import FILE_NAME
from schemas.clock import now_ms
from schemas.dispatch import Secrecy
from schemas.register import BookKind, RegisterFields
from schemas.states import Effect, Status, follow, go_back
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


def undo(spool: Spool, delivery: str, *, unit: str = UNIT) -> None:
    """The clerk undoes the last step of a document."""
    with spool.reading() as conn:
        looked = looked_at(conn, delivery, {unit})[1]
    undoing.step_back(spool, looked, Acting(HOA, now_ms(), {unit}), "Nhầm")


def renumber(spool: Spool, delivery: str, *, unit: str = UNIT) -> int:
    """The clerk gives a document another number; which."""
    with spool.reading() as conn:
        looked = looked_at(conn, delivery, {unit})[1]
    return undoing.renumber(spool, looked, Acting(HOA, now_ms(), {unit}), "Nhầm số")


def submit(spool: Spool, delivery: str, *, unit: str = UNIT) -> None:
    """The clerk puts it before the leader."""
    with spool.reading() as conn:
        looked = looked_at(conn, delivery, {unit})[1]
    handling.submit(spool, looked, Acting(HOA, now_ms(), {unit}), NAM, "Trình đồng chí")


def direct(spool: Spool, delivery: str, *, unit: str = UNIT) -> None:
    """The leader directs a document."""
    with spool.reading() as conn:
        looked = looked_at(conn, delivery, {unit})[1]
    handling.direct(spool, looked, Acting(NAM, now_ms(), {unit}), Direction("Triển khai", "lan"))


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


class ToldLedger:
    """What a ledger has of a unit's deliveries: each receipt once, with the effect that the state then allowed."""

    def __init__(self) -> None:
        self.deliveries: dict[str, ToldDelivery] = {}

    def record(self, spool: Spool, *, unit: str = UNIT, without: Collection[str] = ()) -> None:
        """Record what a spool holds, but what has one of some ids."""
        with spool.reading() as conn:
            rows = select(inbox.c.delivery_id, inbox.c.secret).where(inbox.c.unit == unit).order_by(inbox.c.seq)
            secret = {row.delivery_id: row.secret for row in conn.execute(rows)}
            said = [Unsent._make(row) for row in conn.execute(RECEIPTS.order_by(receipt.c.pos))]
        for key, is_secret in secret.items():
            self.deliveries.setdefault(key, _begun(spool, key, is_secret=is_secret))
        for row in said:
            if row.unit == unit and row.id not in without:
                self._record(row)

    def _record(self, row: Unsent) -> None:
        known = self.deliveries[row.delivery_id]
        if row.id in {one.id for one in known.receipts}:
            return
        status, state = Status(row.status), Status(known.state)
        effect = effect_of(row.corrects, row.undoes)
        if effect is not Effect.CORRECT:
            effect = (follow(state, status) if effect is Effect.ADVANCE else go_back(state, status)).effect
        if effect is Effect.REFUSED:
            return
        told = {name: getattr(row, name) for name in _TOLD if getattr(row, name) is not None}
        one = SaidReceipt(**told, effect=effect, seq=abs(row.seq))
        moved: dict[str, Any] = {"receipts": [*known.receipts, one]}
        if effect in {Effect.ADVANCE, Effect.BACK}:
            moved |= {"state": status.value, "state_at": one.at}
        if status is Status.ARRIVED and known.arrived_at is None:
            moved |= {"arrived_at": one.at}
        self.deliveries[row.delivery_id] = known.model_copy(update=moved)


_TOLD = (
    *("id", "status", "at", "reason", "attempts", "person", "department"),
    *("register_number", "gateway_version", "corrects", "undoes"),
)


def told_by(spool: Spool, *, unit: str = UNIT, without: Collection[str] = ()) -> Sequence[ToldDelivery]:
    """What a ledger tells that has every receipt of a spool but those of some ids."""
    ledger = ToldLedger()
    ledger.record(spool, unit=unit, without=without)
    return list(ledger.deliveries.values())


def _begun(spool: Spool, delivery: str, *, is_secret: bool) -> ToldDelivery:
    entry = get_entry(spool, delivery)
    return ToldDelivery(
        id=delivery,
        state=Status.TAKEN.value,
        state_at="2026-11-22T05:04:03+07:00",
        author="Văn phòng Tỉnh ủy",
        notation=entry.notation,
        type="công văn",
        subject=entry.subject,
        secrecy=Secrecy.SECRET if is_secret else Secrecy.NONE,
        issued_on=date(2026, 11, 20),
        receipts=[],
    )
