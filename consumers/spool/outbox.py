"""The receipts: written with what they report in one transaction, sent later, kept as the answer to duplicates."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from importlib.metadata import version
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, bindparam, func, null, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from consumers.spool.models import inbox, letter, receipt, unit
from consumers.spool.scope import UnitScope
from consumers.spool.sets import among, as_list, insert_rows
from schemas.clock import now_ms
from schemas.dispatch import Lane, lane_of
from schemas.ids import new_id
from schemas.receipt import Ask
from schemas.states import Status
from schemas.zone import zone


class Statement(NamedTuple):
    """What is to be said of a delivery; the receipt's id, number and time are given when it is written."""

    inbox_pos: int
    unit: str
    urgency: int
    status: Status
    reason: str | None = None
    attempts: int | None = None
    person: str | None = None
    department: str | None = None
    register_number: str | None = None
    code: str | None = None
    corrects: str | None = None
    undoes: str | None = None


class Unsent(NamedTuple):
    """A receipt that no broker has confirmed yet, with the words of :class:`schemas.receipt.Receipt`."""

    pos: int
    issuer: str
    id: str
    delivery_id: str
    dispatch_id: str
    unit: str
    status: str
    at: str
    seq: int
    gateway_version: str
    content_sha256: str | None
    traceparent: str
    reason: str | None
    attempts: int | None
    person: str | None
    department: str | None
    register_number: str | None
    code: str | None = None
    corrects: str | None = None
    undoes: str | None = None


_NUMBERS = select(unit.c.code, unit.c.receipt_seq).where(among(unit.c.code, "codes"))
_NEW_NUMBERS = upsert(unit)
_SET_NUMBERS = _NEW_NUMBERS.on_conflict_do_update(
    index_elements=["code"], set_={"receipt_seq": _NEW_NUMBERS.excluded.receipt_seq}
)
_COLUMNS = (
    "id",
    "inbox_pos",
    "status",
    "at",
    "seq",
    "express",
    "gateway_version",
    "reason",
    "attempts",
    "person",
    "department",
    "register_number",
    "code",
    "corrects",
    "undoes",
)
RECEIPTS: Select[tuple[Any, ...]] = (
    select(
        receipt.c.pos,
        letter.c.issuer,
        receipt.c.id,
        inbox.c.delivery_id,
        letter.c.dispatch_id,
        inbox.c.unit,
        receipt.c.status,
        receipt.c.at,
        receipt.c.seq,
        receipt.c.gateway_version,
        letter.c.content_sha256,
        letter.c.traceparent,
        receipt.c.reason,
        receipt.c.attempts,
        receipt.c.person,
        receipt.c.department,
        receipt.c.register_number,
        receipt.c.code,
        receipt.c.corrects,
        receipt.c.undoes,
    )
    .join(inbox, inbox.c.pos == receipt.c.inbox_pos)
    .join(letter, letter.c.pos == inbox.c.letter_pos)
)
"""Receipts with what they are of, as :class:`Unsent` has them."""
_UNSENT: Select[tuple[Any, ...]] = (
    RECEIPTS.where(
        receipt.c.sent_at.is_(null()),
        receipt.c.express == bindparam("express"),
        receipt.c.pos > bindparam("after"),
    )
    .order_by(receipt.c.pos)
    .limit(bindparam("limit"))
)
_SENT = update(receipt).where(among(receipt.c.pos, "positions")).values(sent_at=bindparam("b_sent_at"))
_AGAIN = update(receipt).where(among(receipt.c.inbox_pos, "deliveries")).values(sent_at=null())
_FOREIGN = (
    select(receipt.c.pos, inbox.c.unit)
    .join(inbox, inbox.c.pos == receipt.c.inbox_pos)
    .where(among(receipt.c.inbox_pos, "deliveries"), receipt.c.seq < 0)
    .order_by(receipt.c.pos)
)
_GIVEN = (
    select(inbox.c.unit, receipt.c.pos, receipt.c.seq)
    .join(inbox, inbox.c.pos == receipt.c.inbox_pos)
    .where(among(inbox.c.unit, "codes"), receipt.c.sent_at.is_not(None))
)
_LOST = update(receipt).where(among(receipt.c.pos, "positions")).values(sent_at=null())


def say(conn: Connection, statements: Sequence[Statement]) -> None:
    """Write receipts into the outbox, numbered per unit in the order given."""
    if not statements:
        return
    at = datetime.now(zone()).isoformat(timespec="milliseconds")
    numbers = take_numbers(conn, [item.unit for item in statements])
    rows = [_row(item, number, at) for item, number in zip(statements, numbers, strict=True)]
    insert_rows(conn, receipt, _COLUMNS, rows)


def unsent(conn: Connection, lane: Lane, *, after: int, limit: int) -> list[Unsent]:
    """The oldest receipts of a lane that are to be sent and whose position is above ``after``."""
    values = {"express": lane is Lane.EXPRESS, "after": after, "limit": limit}
    return [Unsent._make(row) for row in conn.execute(_UNSENT, values).all()]


def count_unsent(conn: Connection, units: UnitScope | None = None) -> int:
    """Receipts that wait to be confirmed by the broker; of what is seen of units, or of all."""
    rows = select(func.count()).select_from(receipt).where(receipt.c.sent_at.is_(null()))
    if units is not None:
        rows = rows.join(inbox, inbox.c.pos == receipt.c.inbox_pos).where(units.documents_beside)
    return conn.scalar(rows) or 0


def mark_sent(conn: Connection, batches: Sequence[Sequence[int]]) -> list[None]:
    """Note the positions of receipts that the broker has confirmed."""
    positions = [pos for batch in batches for pos in batch]
    conn.execute(_SENT, {"positions": as_list(positions), "b_sent_at": now_ms()})
    return [None] * len(batches)


def send_again(conn: Connection, inbox_positions: Iterable[int]) -> None:
    """Have every receipt of these deliveries sent again, as it was.

    One that another spool numbered, whose books were put back here, gets a number of this one's.
    """
    deliveries = {"deliveries": as_list(inbox_positions)}
    foreign = conn.execute(_FOREIGN, deliveries).all()
    for row, number in zip(foreign, take_numbers(conn, [row.unit for row in foreign]), strict=True):
        conn.execute(update(receipt).where(receipt.c.pos == row.pos).values(seq=number))
    conn.execute(_AGAIN, deliveries)


def repeat(conn: Connection, batches: Sequence[Sequence[Ask]]) -> list[int]:
    """Have the receipts that the router lacks sent again, as far as they are still here; how many of each batch.

    All questions are answered in one pass over the receipts of their units: there is no index for what is so rare.
    """
    wanted: dict[str, list[tuple[int, int]]] = {}
    for ask in (ask for batch in batches for ask in batch):
        wanted.setdefault(ask.unit, []).extend(ask.missing)
    found = [
        (code, pos)
        for code, pos, seq in conn.execute(_GIVEN, {"codes": as_list(wanted)})
        if any(first <= seq <= last for first, last in wanted[code])
    ]
    conn.execute(_LOST, {"positions": as_list(pos for _, pos in found)})
    counts = Counter(code for code, _ in found)
    return [sum(counts[code] for code in {ask.unit for ask in batch}) for batch in batches]


def numbers_given(conn: Connection, codes: Sequence[str]) -> list[int]:
    """The last receipt number given for each of these units, 0 for none."""
    found = {row[0]: row[1] for row in conn.execute(_NUMBERS, {"codes": as_list(codes)})}
    return [found.get(code, 0) for code in codes]


def take_numbers(conn: Connection, units: Sequence[str]) -> list[int]:
    """The next receipt number of each of these units, in their order, as often as each stands there."""
    taken: list[int] = []
    if not units:
        return taken
    with _numbers(conn, set(units)) as last:
        for code in units:
            last[code] += 1
            taken.append(last[code])
    return taken


@contextmanager
def _numbers(conn: Connection, units: set[str]) -> Iterator[dict[str, int]]:
    """The last receipt number of each unit; what the block makes of them is stored."""
    last = dict.fromkeys(units, 0)
    last.update((row[0], row[1]) for row in conn.execute(_NUMBERS, {"codes": as_list(units)}))
    yield last
    conn.execute(_SET_NUMBERS, [{"code": code, "receipt_seq": number} for code, number in last.items()])


def _row(item: Statement, number: int, at: str) -> tuple[object, ...]:
    return (
        new_id(),
        item.inbox_pos,
        item.status.value,
        at,
        number,
        lane_of(item.urgency) is Lane.EXPRESS,
        gateway_version(),
        item.reason,
        item.attempts,
        item.person,
        item.department,
        item.register_number,
        item.code,
        item.corrects,
        item.undoes,
    )


@cache
def gateway_version() -> str:
    """The version of the installed distribution."""
    return version("congvan")
