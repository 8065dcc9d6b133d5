"""What a unit's people did with a delivery counts in the order in which they did it, whenever the ledger hears of it.

Their gateway numbers what it says of a unit. A receipt that a later step has overtaken moves nothing any more; one that
itself overtook others moves the delivery by what it says, for those that it needs may still come. So a delivery comes
to the same state in whatever order its receipts do, and :mod:`schemas.standing` reads the rest out of them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select

from router.ledger.bulk import Row, rows_at_once
from router.ledger.models import receipt, unit_receipts
from router.ledger.way import receipt_rows
from router.ledger.way.new_receipt import NewReceipt
from router.rules.number_ranges import Received, read
from router.storage.statements import chunks
from schemas.clock import to_ms
from schemas.standing import standing
from schemas.states import BY_PEOPLE, Effect, Status, Step, follow, go_back, may_have_followed

MOVES = frozenset({Effect.ADVANCE, Effect.BACK})
_STEPS = BY_PEOPLE | {Status.RECALLED}
_LOG = (
    select(*(receipt.c[name] for name in receipt_rows.COLUMNS))
    .where(receipt.c.delivery_id.in_(bindparam("ids", expanding=True)))
    .order_by(receipt.c.pos)
)
_RECEIVED = select(unit_receipts.c.through, unit_receipts.c.ahead).where(unit_receipts.c.unit == bindparam("unit"))


class LastSaid(NamedTuple):
    """The newest step of a delivery's unit: its number, and the latest time of any, UTC ms by the teller's clock.

    A time that had yet to come when it was recorded is that of its recording.
    """

    seq: int
    at: int

    def has_overtaken(self, item: NewReceipt) -> bool:
        """Whether an entry was said before. A new spool begins its numbers anew, so a lower one alone says nothing."""
        return item.seq is not None and item.seq < self.seq and _said_at(item) <= self.at

    @classmethod
    def after(cls, before: "LastSaid | None", item: NewReceipt) -> "LastSaid":
        """With an entry that none has overtaken."""
        at = _said_at(item)
        return cls(item.seq or 0, at if before is None else max(before.at, at))


class RecordedStep(NamedTuple):
    """What is looked at of a row of the log, see :class:`schemas.standing.RecordedWords`."""

    id: str
    status: Status
    effect: Effect
    recorded_at: int
    seq: int | None
    register_number: str
    corrects: str | None
    undoes: str | None
    reason: str
    """The teller's alone."""
    code: str


_NAMES = ("id", "status", "effect", "recorded_at", "seq", "register_number", "corrects", "undoes")
_WHERE = tuple(map(receipt_rows.COLUMNS.index, _NAMES))
_DELIVERY, _CODE = map(receipt_rows.COLUMNS.index, ("delivery_id", "code"))


def is_step(item: NewReceipt) -> bool:
    """Whether a unit's people said it, in their order."""
    return item.seq is not None and (item.undoes is not None or item.status in _STEPS)


def decide(current: Status, item: NewReceipt, lacks: Callable[[], bool]) -> Step:
    """What an entry that none has overtaken does to its delivery.

    Args:
        current: the delivery's state.
        item: the entry.
        lacks: whether something is missing that its unit said before; asked only where that matters.
    """
    step = follow(current, item.status) if item.undoes is None else go_back(current, item.status)
    if step.effect in MOVES or not (is_step(item) and may_have_followed(current, item.status) and lacks()):
        return step
    return Step(Effect.ADVANCE if item.undoes is None else Effect.BACK)


def lacks_before(conn: Connection, item: NewReceipt, entered: Iterable[NewReceipt]) -> bool:
    """Whether something is missing that an entry's unit said before it.

    Args:
        conn: a transaction.
        item: the entry.
        entered: what came before it in the same transaction.
    """
    if item.seq is None:
        return False
    row = conn.execute(_RECEIVED, {"unit": item.unit}).one_or_none()
    received = Received() if row is None else Received(row.through, read(row.ahead))
    received = received.and_also(it.seq for it in entered if it.unit == item.unit and it.seq is not None)
    return bool(received.missing(above=0, told=item.seq - 1))


def recorded(conn: Connection, ids: Iterable[str], entered: Iterable[Row] = ()) -> Mapping[str, list[RecordedStep]]:
    """What the log has of deliveries, in its order, and of rows that have yet to be written."""
    found: dict[str, list[RecordedStep]] = {key: [] for key in ids}
    for some in chunks(sorted(found)):
        for row in rows_at_once(conn, _LOG, {"ids": some}):
            found[row[_DELIVERY]].append(_read(row))
    for row in entered:
        if row[_DELIVERY] in found:
            found[row[_DELIVERY]].append(_read(row))
    return found


def rights_what_counts(said: Sequence[RecordedStep], corrects: str) -> bool:
    """Whether a correction names what counts, or what has yet to come."""
    counts = {row.id for row in standing(said).told.values()}
    return corrects in counts or all(row.id != corrects for row in said)


def _read(row: Sequence[object]) -> RecordedStep:
    key, status, effect, *rest = (row[place] for place in _WHERE)
    said = receipt_rows.reason_of(row), row[_CODE]
    return RecordedStep(key, Status(status), Effect(effect), *rest, *said)  # type: ignore[arg-type,call-arg]


def _said_at(item: NewReceipt) -> int:
    return min(to_ms(datetime.fromisoformat(item.at)), item.recorded_at)
