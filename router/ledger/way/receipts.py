"""Records receipts: the one place where a delivery's state changes.

Whatever changes a delivery (the relay's confirm, a gateway's or a person's receipt, an operator's act, a clock) comes
here as a :class:`NewReceipt`. Each that is new becomes a row, and the state is that of the last row that moved its
delivery: whoever reads the log alone comes to the same states. :mod:`router.ledger.way.steps` has the order of what a
unit's people say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, literal, select

from router.ledger.bulk import Row, insert_rows, rows_at_once, update_rows
from router.ledger.log import appending
from router.ledger.log.entries import EntryKind, entry_of
from router.ledger.models import delivery, dispatch, receipt
from router.ledger.reasons import code_told
from router.ledger.way import owing, receipt_rows, steps, words
from router.ledger.way.new_receipt import NewReceipt, take_back
from router.ledger.way.owing import Owing
from router.ledger.way.steps import MOVES, LastSaid, RecordedStep
from router.rules.evidence import BELIEVED, Judged, judge
from router.rules.schedule import Silence, next_due
from router.storage.statements import chunks
from schemas.clock import iso
from schemas.ids import new_id
from schemas.reasons import ReasonCode
from schemas.standing import standing
from schemas.states import Effect, Status, Step, follow


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
    said_seq: int | None
    said_at: int | None
    due_at: int | None
    register_by: int | None
    content: str
    changed: bool = False
    out_of_turn: bool = False
    """What it came to before has to be read out of its receipts anew."""

    @property
    def said(self) -> LastSaid | None:
        """The newest step of its unit's people."""
        return None if self.said_seq is None or self.said_at is None else LastSaid(self.said_seq, self.said_at)


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
    delivery.c.said_seq,
    delivery.c.said_at,
    delivery.c.due_at,
    delivery.c.register_by,
)
_OF_DELIVERIES = delivery.c.id.in_(bindparam("ids", expanding=True))
_TOLD_HERE = _SELECT.add_columns(literal("")).where(_OF_DELIVERIES)
_TOLD_BY_UNITS = _SELECT.add_columns(dispatch.c.content_sha256).join(dispatch).where(_OF_DELIVERIES)

_MOVED = (
    *("id", "state", "state_at", "reason", "published", "failures", "next_due_at"),
    *("arrived_at", "registered_at", "completed_at", "reason_code", "register_by", "said_seq", "said_at"),
    *owing.COLUMNS,
)
_BY_RECALL = {
    Status.ARRIVED: Status.TAKE_BACK_REQUESTED,
    Status.PARKED: Status.RECALLED,
    Status.REDRIVEN: Status.RECALLED,
}
"""What becomes of a recalled delivery that was on its way when one of these is recorded."""
_ADVANCES = Step(Effect.ADVANCE)
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
        pages = _Pages(connection, entries, dict(known), silence)
        results = [pages.enter(place) for place in range(len(entries))]
        # Almost always all rows are new, and then nobody has to be asked which are.
        attempt = connection.begin_nested()
        if insert_rows(connection, receipt, receipt_rows.COLUMNS, pages.rows, key="id") == len(pages.rows):
            attempt.commit()
            _log(connection, pages.told)
            words.keep_said(connection, [done.entry for done in results if isinstance(done, Recorded) and done.new])
            _read_anew(connection, pages.deliveries)
            update_rows(connection, delivery, _MOVED, _changed(pages.deliveries))
            update_rows(connection, delivery, ("id", "redriven_at"), pages.redriven)
            return results
        attempt.rollback()
        known |= receipt_rows.recorded(connection, entries)


class _Pages:
    """What entries write into the log, one after the other, and what becomes of their deliveries.

    Args:
        connection: a transaction that writes.
        entries: all of them, in their order; their deliveries are changed by what is entered.
        known: what is in the log, by the ids of the entries; completed by what is entered.
        silence: when an undelivered document is sent again.
    """

    def __init__(
        self, connection: Connection, entries: Sequence[NewReceipt], known: dict[str, Row], silence: Silence
    ) -> None:
        self.deliveries = _deliveries(connection, entries)
        self.rows: list[Row] = []
        self.told: dict[tuple[str, str], list[Row]] = {}
        """The same as they stand in the log: a unit's of one status together, and those of this router."""
        self.redriven: list[Row] = []
        self._connection = connection
        self._entries = entries
        self._known = known
        self._silence = silence

    def enter(self, place: int) -> Result:
        """Enter the entry at a place, unless the log has it."""
        item = _with_code(self._entries[place])
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
        was = current.state
        if step is None:
            judged = _judged(current, item)
            refusal = judged.refusal or _recalled(current, item)
            step = Step(Effect.REFUSED, refusal) if refusal else self._advance(current, item, place)
        self._write(item, key, step, judged.mark)
        if current.recalled_by and _meets_recall(was, item, step):
            outcome = _BY_RECALL.get(item.status, Status.TAKE_BACK_REQUESTED)
            self._add(take_back(item.delivery_id, current.recalled_by, item.recorded_at, outcome))
        if judged.refusal and item.status is Status.ARRIVED:
            self._add(_parked(item, judged.refusal))
        return Recorded(item, step, age_ms)

    def _add(self, item: NewReceipt) -> None:
        """What follows from an entry by itself, if the delivery's state allows it."""
        current = self.deliveries[item.delivery_id]
        if follow(current.state, item.status).effect is Effect.ADVANCE:
            self._write(item, item.id, _move(current, item, _ADVANCES, self._silence), "")

    def _advance(self, current: _DeliveryState, item: NewReceipt, place: int) -> Step:
        if item.corrects is not None:
            said = steps.recorded(self._connection, [item.delivery_id], self.rows)[item.delivery_id]
            return Step(Effect.CORRECT if steps.rights_what_counts(said, item.corrects) else Effect.STALE)
        if current.said is not None and steps.is_step(item) and current.said.has_overtaken(item):
            current.out_of_turn = True
            return Step(Effect.STALE)
        return _move(current, item, steps.decide(current.state, item, partial(self._lacks, place)), self._silence)

    def _lacks(self, place: int) -> bool:
        """Whether something is missing that the unit of the entry at a place said before it."""
        return steps.lacks_before(self._connection, self._entries[place], self._entries[:place])

    def _write(self, item: NewReceipt, key: str, step: Step, mark: str) -> None:
        row = receipt_rows.row_of(item, key, step, step.reason or mark)
        self._known[key] = row
        self.rows.append(row)
        self.told.setdefault((item.unit, item.status if item.unit else ""), []).append(row)
        if item.status is Status.REDRIVEN and step.effect is Effect.ADVANCE:
            before = self.deliveries[item.delivery_id].redriven_at or 0
            self.redriven.append((item.delivery_id, max(item.recorded_at, before + 1)))


def _log(connection: Connection, told: Mapping[tuple[str, str], Sequence[Row]]) -> None:
    for rows in told.values():
        appending.note(connection, entry_of(EntryKind.RECEIPTS, rows))


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


def _meets_recall(was: Status, item: NewReceipt, step: Step) -> bool:
    """Whether an entry of a recalled delivery is one that its recall waited for; a step may overtake the arrival."""
    if item.status in _BY_RECALL:
        return step.effect in MOVES or item.status is Status.REDRIVEN
    return step.effect in MOVES and steps.is_step(item) and follow(was, Status.ARRIVED).effect is Effect.ADVANCE


def _parked(item: NewReceipt, why: str) -> NewReceipt:
    """An arrival that cannot be believed needs somebody's attention: by itself it would only be reported again."""
    reason = f"its gateway says that it arrived, and is not believed: {why}"
    at = item.recorded_at
    return NewReceipt(
        new_id(), item.delivery_id, Status.PARKED, iso(at), at, reason=reason, code=ReasonCode.NOT_BELIEVED
    )


def _move(current: _DeliveryState, item: NewReceipt, step: Step, silence: Silence) -> Step:
    if item.confirmed:
        current.published += 1
        current.changed = True
    if step.effect in MOVES:
        current.state = item.status
        current.state_at = item.recorded_at
        current.reason, current.reason_code = item.reason, item.code
        current.changed = True
        _note_first(current, item)
    if step.effect is not Effect.REFUSED:
        _keep_order(current, item, step)
    if step.effect in MOVES or item.confirmed:
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


def _note_first(current: _DeliveryState, item: NewReceipt) -> None:
    """Keep when a state of the statistics was reached first."""
    if item.status is Status.ARRIVED:
        current.arrived_at = current.arrived_at or item.recorded_at
    elif item.status is Status.REGISTERED:
        current.registered_at = current.registered_at or item.recorded_at
    elif item.status is Status.COMPLETED:
        current.completed_at = current.completed_at or item.recorded_at


def _keep_order(current: _DeliveryState, item: NewReceipt, step: Step) -> None:
    """Keep how far the unit's people are, and whether what comes now says anything new of what was before."""
    if steps.is_step(item):
        current.said_seq, current.said_at = LastSaid.after(current.said, item)
        current.changed = True
    of_people = steps.is_step(item) or (item.status is Status.ARRIVED and current.said is not None)
    current.out_of_turn |= item.undoes is not None or (of_people and step.effect is Effect.STALE)


def _read_anew(connection: Connection, deliveries: Mapping[str, _DeliveryState]) -> None:
    """Have what was undone, and what came late, count as if all had come in its order."""
    anew = [key for key, it in deliveries.items() if it.out_of_turn]
    for key, said in steps.recorded(connection, anew).items():
        _stand(deliveries[key], said)


def _stand(current: _DeliveryState, said: Sequence[RecordedStep]) -> None:
    found = standing(said)
    current.changed = True
    current.registered_at, current.completed_at = map(found.times.get, (Status.REGISTERED, Status.COMPLETED))
    if (arrived_at := found.times.get(Status.ARRIVED, current.arrived_at)) != current.arrived_at:
        current.arrived_at, current.register_by = arrived_at, None
    if found.last is not None and found.last.status is current.state:
        current.state_at = found.last.recorded_at
        current.reason, current.reason_code = found.last.reason, found.last.code


def _changed(deliveries: dict[str, _DeliveryState]) -> list[Row]:
    by = owing.by_office()
    return [(key, *_moved(it, by)) for key, it in deliveries.items() if it.changed]


def _moved(it: _DeliveryState, by: Owing) -> Row:
    if it.register_by is None and it.arrived_at is not None:
        it.register_by = by.register_by(it.arrived_at, it.urgency)
    return (
        *(it.state.value, it.state_at, it.reason, it.published, 0, it.next_due_at),
        *(it.arrived_at, it.registered_at, it.completed_at, it.reason_code, it.register_by, it.said_seq, it.said_at),
        *by.of(it.state, it.state_at, it.urgency, it.due_at, registered=it.registered_at is not None),
    )
