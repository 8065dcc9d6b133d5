"""Records receipts: the one place where a delivery's state changes.

Whatever changes a delivery (the relay's confirm, a gateway's or a person's receipt, an operator's act, a clock) comes
here as a :class:`NewReceipt`. Each that is new becomes a row, and the state what :func:`schemas.states.follow` makes of
the rows: whoever reads the log alone comes to the same states.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, literal, select

from router.ledger.bulk import Row, insert_rows, rows_at_once, update_rows
from router.ledger.models import delivery, dispatch, receipt
from router.ledger.reasons import code_told
from router.ledger.way import receipt_rows, words
from router.ledger.way.new_receipt import NewReceipt, take_back
from router.rules.evidence import BELIEVED, Judged, judge
from router.rules.schedule import Silence, next_due
from router.storage.statements import chunks
from schemas.clock import iso
from schemas.ids import new_id
from schemas.reasons import ReasonCode
from schemas.states import BY_PEOPLE, Effect, Status, Step, follow, go_back


@dataclass(slots=True)
class _DeliveryState:
    """A delivery while entries are applied to it."""

    state: Status
    unit: str
    link: str
    urgency: int
    published: int
    reason: str
    state_at: int
    created_at: int
    next_due_at: int | None
    recalled_by: str | None
    paused: int
    arrived_at: int | None
    registered_at: int | None
    completed_at: int | None
    reason_code: str
    claimed: int
    redriven_at: int | None
    undone_seq: int | None
    undone_at: str | None
    content: str
    changed: bool = False


class Recorded(NamedTuple):
    """What one entry did, and what the metrics want to know of it; ``new``: it was not in the log before."""

    entry: NewReceipt
    step: Step
    age_ms: int
    """Since the delivery was made."""
    new: bool = True


@dataclass(frozen=True, slots=True)
class Unknown:
    """An entry of a delivery that this ledger does not have, or that belongs to another unit."""

    entry: NewReceipt
    reason: str
    forgotten: bool = False
    """It is not in the ledger; False: it is another unit's."""


Result = Recorded | Unknown

_SELECT = select(
    delivery.c.id,
    delivery.c.state,
    delivery.c.unit,
    delivery.c.link,
    delivery.c.urgency,
    delivery.c.published,
    delivery.c.reason,
    delivery.c.state_at,
    delivery.c.created_at,
    delivery.c.next_due_at,
    delivery.c.recalled_by,
    delivery.c.paused,
    delivery.c.arrived_at,
    delivery.c.registered_at,
    delivery.c.completed_at,
    delivery.c.reason_code,
    delivery.c.claimed,
    delivery.c.redriven_at,
    delivery.c.undone_seq,
    delivery.c.undone_at,
)
_OF_DELIVERIES = delivery.c.id.in_(bindparam("ids", expanding=True))
_TOLD_HERE = _SELECT.add_columns(literal("")).where(_OF_DELIVERIES)
_TOLD_BY_UNITS = _SELECT.add_columns(dispatch.c.content_sha256).join(dispatch).where(_OF_DELIVERIES)

_MOVED = (
    *("id", "state", "state_at", "reason", "published", "failures", "next_due_at"),
    *("arrived_at", "registered_at", "completed_at", "reason_code"),
)
_BY_RECALL = {
    Status.ARRIVED: Status.TAKE_BACK_REQUESTED,
    Status.PARKED: Status.RECALLED,
    Status.REDRIVEN: Status.RECALLED,
}
"""What becomes of a recalled delivery that was on its way when one of these is recorded."""
_MOVES = frozenset({Effect.ADVANCE, Effect.BACK})
_OTHER_CONTENT = Step(Effect.REFUSED, "its id was used before, for a receipt with other content")


def apply(connection: Connection, entries: Sequence[NewReceipt], silence: Silence) -> list[Result]:
    """Record entries in their order and move their deliveries: the log decides.

    What is new becomes a row, and only such a row moves its delivery. An entry that is in the log already is answered
    with what it did then. One whose id is in the log with other content becomes a refused row of its own, under an id
    made of both, so that its repetition adds nothing either. One of an unknown delivery, or of another unit's, is not
    recorded. What arrives although its dispatch was recalled on its way is asked for at once; what is parked then ends,
    and what has expired is not sent again.
    """
    known: dict[str, Row] = {}
    while True:
        pages = _Pages(_deliveries(connection, entries), dict(known), silence)
        results = [pages.enter(item) for item in entries]
        # Almost always all rows are new, and then nobody has to be asked which are.
        attempt = connection.begin_nested()
        if insert_rows(connection, receipt, receipt_rows.COLUMNS, pages.rows, key="id") == len(pages.rows):
            attempt.commit()
            words.keep_said(connection, [done.entry for done in results if isinstance(done, Recorded) and done.new])
            update_rows(connection, delivery, _MOVED, _changed(pages.deliveries))
            update_rows(connection, delivery, ("id", "redriven_at"), pages.redriven)
            update_rows(connection, delivery, ("id", "undone_seq", "undone_at"), pages.undone)
            return results
        attempt.rollback()
        known |= receipt_rows.recorded(connection, entries)


class _Pages:
    """What entries write into the log, one after the other, and what becomes of their deliveries.

    Args:
        deliveries: as they are, changed by what is entered.
        known: what is in the log, by the ids of the entries; completed by what is entered.
        silence: when an undelivered document is sent again.
    """

    def __init__(self, deliveries: dict[str, _DeliveryState], known: dict[str, Row], silence: Silence) -> None:
        self.deliveries = deliveries
        self.rows: list[Row] = []
        self.redriven: list[Row] = []
        self.undone: list[Row] = []
        self._known = known
        self._silence = silence

    def enter(self, item: NewReceipt) -> Result:
        """Enter an entry, unless the log has it."""
        item = _with_code(item)
        current = self.deliveries.get(item.delivery_id)
        if current is None or (item.unit and item.unit != current.unit):
            owner = "is not in this ledger" if current is None else f"belongs to {current.unit}, not to {item.unit}"
            return Unknown(item, f"delivery {item.delivery_id} {owner}", forgotten=current is None)
        age_ms, judged, before = max(item.recorded_at - current.created_at, 0), BELIEVED, self._known.get(item.id)
        key, step = item.id, None
        if before is not None and not receipt_rows.is_same(before, item):
            key, step = receipt_rows.id_beside(item), _OTHER_CONTENT
            before = self._known.get(key)
        if before is not None:
            done = Step(Effect(before[receipt_rows.EFFECT]), before[receipt_rows.REMARK])
            return Recorded(item, done, age_ms, new=False)
        if step is None:
            judged = _judged(current, item)
            refusal = judged.refusal or _recalled(current, item)
            step = Step(Effect.REFUSED, refusal) if refusal else _advance(current, item, self._silence)
        self._write(item, key, step, judged.mark)
        if current.recalled_by and _meets_recall(item, step):
            self._add(take_back(item.delivery_id, current.recalled_by, item.recorded_at, _BY_RECALL[item.status]))
        if judged.refusal and item.status is Status.ARRIVED:
            self._add(_parked(item, judged.refusal))
        return Recorded(item, step, age_ms)

    def _add(self, item: NewReceipt) -> None:
        """What follows from an entry by itself, if the delivery's state allows it."""
        current = self.deliveries[item.delivery_id]
        if follow(current.state, item.status).effect is Effect.ADVANCE:
            self._write(item, item.id, _advance(current, item, self._silence), "")

    def _write(self, item: NewReceipt, key: str, step: Step, mark: str) -> None:
        row = receipt_rows.row_of(item, key, step, step.reason or mark)
        self._known[key] = row
        self.rows.append(row)
        if item.status is Status.REDRIVEN and step.effect is Effect.ADVANCE:
            before = self.deliveries[item.delivery_id].redriven_at or 0
            self.redriven.append((item.delivery_id, max(item.recorded_at, before + 1)))
        if item.undoes is not None and step.effect is not Effect.REFUSED:
            current = self.deliveries[item.delivery_id]
            current.undone_seq, current.undone_at = item.seq, item.at
            self.undone.append((item.delivery_id, item.seq, item.at))


def _deliveries(connection: Connection, entries: Sequence[NewReceipt]) -> dict[str, _DeliveryState]:
    statement = _TOLD_BY_UNITS if any(item.unit for item in entries) else _TOLD_HERE
    if connection.dialect.name == "postgresql":
        statement = statement.order_by(delivery.c.id).with_for_update(of=delivery)
    found: dict[str, _DeliveryState] = {}
    for some in chunks(sorted({item.delivery_id for item in entries})):
        for row in rows_at_once(connection, statement, {"ids": some}):
            found[row[0]] = _DeliveryState(Status(row[1]), *row[2:])
    return found


def _with_code(item: NewReceipt) -> NewReceipt:
    """What machines park has the code of its reason, whether it was given or has to be read out of the text."""
    read = code_told(item.reason) if item.status is Status.PARKED and not item.code else None
    return item if read is None else item._replace(code=read)


def _judged(current: _DeliveryState, item: NewReceipt) -> Judged:
    if not item.unit:
        return BELIEVED
    return judge(
        item.status,
        item.at,
        item.content_sha256,
        sent=current.claimed + current.published > 0,
        content=current.content,
        accepted_at=current.created_at,
        now_ms=item.recorded_at,
    )


def _recalled(current: _DeliveryState, item: NewReceipt) -> str:
    """Why a delivery that has ended on its way is not sent again; empty: it was not recalled.

    The unit's gateway may be another by now, which never got the recall.
    """
    if item.status is not Status.REDRIVEN or current.recalled_by is None:
        return ""
    may = follow(current.state, Status.REDRIVEN).effect is Effect.ADVANCE
    return f"it was recalled by dispatch {current.recalled_by}" if may else ""


def _meets_recall(item: NewReceipt, step: Step) -> bool:
    """Whether an entry of a recalled delivery is one that its recall waited for."""
    return item.status in _BY_RECALL and (step.effect in _MOVES or item.status is Status.REDRIVEN)


def _parked(item: NewReceipt, why: str) -> NewReceipt:
    """An arrival that cannot be believed needs somebody's attention: by itself it would only be reported again."""
    reason = f"its gateway says that it arrived, and is not believed: {why}"
    at = item.recorded_at
    return NewReceipt(
        new_id(), item.delivery_id, Status.PARKED, iso(at), at, reason=reason, code=ReasonCode.NOT_BELIEVED
    )


def _advance(current: _DeliveryState, item: NewReceipt, silence: Silence) -> Step:
    step = _step(current, item)
    if item.confirmed:
        current.published += 1
        current.changed = True
    if step.effect in _MOVES:
        current.state = item.status
        current.state_at = item.recorded_at
        current.reason, current.reason_code = item.reason, item.code
        current.changed = True
        _note_first(current, item)
    if step.effect in _MOVES or item.confirmed:
        current.next_due_at = next_due(
            current.state,
            link=current.link,
            urgency=current.urgency,
            published=current.published,
            now_ms=item.recorded_at,
            silence=silence,
            paused=bool(current.paused),
        )
    return step


def _step(current: _DeliveryState, item: NewReceipt) -> Step:
    if item.corrects is not None:
        return Step(Effect.CORRECT)
    if item.status in BY_PEOPLE and _was_undone(current, item):
        return Step(Effect.STALE)
    return follow(current.state, item.status) if item.undoes is None else go_back(current.state, item.status)


def _was_undone(current: _DeliveryState, item: NewReceipt) -> bool:
    """Whether its teller undid a later step of the delivery, which overtook it.

    A new spool of the unit begins its numbers anew, so a lower one alone says nothing.
    """
    if item.seq is None or current.undone_seq is None or current.undone_at is None:
        return False
    earlier = datetime.fromisoformat(item.at) <= datetime.fromisoformat(current.undone_at)
    return item.seq < current.undone_seq and earlier


def _note_first(current: _DeliveryState, item: NewReceipt) -> None:
    """Keep when a state of the statistics was reached first; what is undone was not reached."""
    if item.undoes is not None:
        current.completed_at = None
        current.registered_at = None if item.status is Status.ARRIVED else current.registered_at
    if item.status is Status.ARRIVED:
        current.arrived_at = current.arrived_at or item.recorded_at
    elif item.status is Status.REGISTERED:
        current.registered_at = current.registered_at or item.recorded_at
    elif item.status is Status.COMPLETED:
        current.completed_at = current.completed_at or item.recorded_at


def _changed(deliveries: dict[str, _DeliveryState]) -> list[Row]:
    return [
        (key, it.state.value, it.state_at, it.reason, it.published, 0, it.next_due_at, *_milestones(it), it.reason_code)
        for key, it in deliveries.items()
        if it.changed
    ]


def _milestones(current: _DeliveryState) -> tuple[int | None, ...]:
    return current.arrived_at, current.registered_at, current.completed_at
