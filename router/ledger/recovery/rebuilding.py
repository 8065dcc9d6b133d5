"""Enters what a gateway holds into a ledger that has forgotten it; what the ledger knows is never changed by it.

A page is entered in one transaction: the dispatches, the deliveries, and the receipts as if the unit had just said
them, so the log decides here too. What comes twice adds nothing. Only what an open recovery asks for is entered: a
gateway's word makes no dispatch at any other time.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection, Select, select, update

from router.ledger.bulk import Row, insert_rows
from router.ledger.models import delivery, dispatch, unit, unit_sequence
from router.ledger.recovery import forgotten, recovering
from router.ledger.recovery.recovering import REBUILT, Recovery
from router.ledger.units import receipt_numbers
from router.ledger.way import acceptance, acts, new_receipt, owing, recalls, receipts
from router.ledger.way.acceptance import NewDispatch
from router.ledger.way.new_receipt import NewReceipt
from router.ledger.way.owing import Owing
from router.ledger.way.receipts import Recorded
from router.rules.schedule import Silence
from router.storage.statements import chunks
from schemas.attachment import Attachment, TravellingAttachment, content_digest
from schemas.clock import iso
from schemas.descriptor import Descriptor
from schemas.dispatch import Kind, Submission
from schemas.ids import made_at, new_id
from schemas.reasons import ReasonCode, known_code
from schemas.recount import Kept, KeptDelivery
from schemas.states import Status

_DELIVERY = (
    *("id", "dispatch_id", "unit", "seq", "link", "urgency", "state", "state_at", "reason", "created_at"),
    *("next_due_at", "due_at", "paused", "recalled_by"),
    *owing.COLUMNS,
)
_FORGOTTEN_MEANWHILE = "the ledger had forgotten the document and was recovered"


@dataclass(frozen=True, slots=True)
class RebuiltLetter:
    """The letter of a reported delivery: whole, as it travels, and the content that holds it when it is long."""

    whole: Descriptor
    body: bytes
    record: TravellingAttachment | None = None


@dataclass(frozen=True, slots=True)
class ReceivedPage:
    """A page of a gateway and when it came (UTC ms).

    ``letters`` are those of its deliveries, by dispatch; of a dispatch that has none ``unreadable`` says why.
    """

    kept: Kept
    letters: Mapping[str, RebuiltLetter]
    unreadable: Mapping[str, str]
    at: int
    silence: Silence = field(default_factory=Silence)
    grace_ms: int = 30_000


class Rebuilt(NamedTuple):
    """What a page added, and how many of its deliveries could not be entered."""

    dispatches: int = 0
    deliveries: int = 0
    receipts: int = 0
    refused: int = 0


def rebuild(conn: Connection, pages: Sequence[ReceivedPage]) -> list[Rebuilt]:
    """Enter pages, one after the other; without an open recovery nothing of them."""
    return [_rebuild(conn, page) for page in pages]


def _rebuild(conn: Connection, page: ReceivedPage) -> Rebuilt:
    found, kept = recovering.current(conn), page.kept
    if found is None:
        return Rebuilt()
    forgotten.raise_sequences(conn, {kept.unit: [kept.highest, *(item.seq for item in kept.deliveries)]})
    known = _units_of(conn, [item.id for item in kept.deliveries])
    fresh = [item for item in kept.deliveries if item.id not in known]
    dispatches, entered, refused = _enter_all(conn, found, page, fresh)
    told = [item for item in kept.deliveries if item.id not in refused and known.get(item.id, kept.unit) == kept.unit]
    count = _replay(conn, page, told, frozenset(item.id for item in entered))
    _call_back(conn, page, entered)
    forgotten.settle(conn, [item.id for item in told])
    forgotten.refuse(conn, kept.unit, refused, page.at)
    recovering.count(conn, found.id, dispatches=dispatches, deliveries=len(entered), receipts=count)
    place = recovering.RecountedPage(
        kept.unit, kept.spool_id, kept.after, kept.through, kept.more, len(kept.deliveries)
    )
    recovering.note_page(conn, place, page.at)
    return Rebuilt(dispatches, len(entered), count, len(refused))


def _enter_all(
    conn: Connection, found: Recovery, page: ReceivedPage, fresh: Sequence[KeptDelivery]
) -> tuple[int, list[KeptDelivery], dict[str, str]]:
    """Enter deliveries that the ledger does not have: new dispatches, the deliveries, and why others are refused."""
    refused: dict[str, str] = {}
    good: list[KeptDelivery] = []
    new = 0
    link = conn.scalar(select(unit.c.link).where(unit.c.code == page.kept.unit))
    for item in fresh:
        why = page.unreadable.get(item.dispatch_id, "") or _refusal(conn, found, page.kept.unit, item, link=link)
        letter = page.letters.get(item.dispatch_id)
        if not why and letter is not None:
            entered = acceptance.enter(conn, _as_accepted(item, letter, page))
            new += entered
            why = "" if entered else _differs(conn, item, letter)
        if why or letter is None:
            refused[item.id] = why or "its letter was not told"
        else:
            good.append(item)
    _insert_deliveries(conn, page, good, link or "")
    return new, good, refused


def _refusal(conn: Connection, found: Recovery, code: str, item: KeptDelivery, *, link: str | None) -> str:
    """Why a delivery is not entered; empty: it may be."""
    made = made_at(item.dispatch_id)
    if made is None or not found.since <= made <= found.until:
        return "it is not of the time that is being recovered"
    if link is None:
        return f"there is no unit {code} in the directory; import the units as they were, then recover again"
    row = conn.execute(select(dispatch.c.idempotency_key).where(dispatch.c.id == item.dispatch_id)).one_or_none()
    if row is not None and not row[0].startswith(REBUILT):
        return f"the ledger has its dispatch {item.dispatch_id}, and not for {code}"
    other = select(delivery.c.id).where(delivery.c.dispatch_id == item.dispatch_id, delivery.c.unit == code)
    if (key := conn.scalar(other)) is not None:
        return f"the ledger has its dispatch {item.dispatch_id} for {code} already, as delivery {key}"
    return ""


def _differs(conn: Connection, item: KeptDelivery, letter: RebuiltLetter) -> str:
    """Why a letter cannot be that of a dispatch that another page has told; empty: it is the same."""
    known = conn.scalar(select(dispatch.c.submission_sha256).where(dispatch.c.id == item.dispatch_id))
    return "" if known == _digest(letter.whole) else f"another gateway tells dispatch {item.dispatch_id} otherwise"


def _as_accepted(item: KeptDelivery, letter: RebuiltLetter, page: ReceivedPage) -> NewDispatch:
    """The dispatch of a delivery, as far as its addressee knows it: whom else it went to, and its key, nobody says."""
    submission = _submission(letter.whole, page.kept.unit)
    return NewDispatch(
        id=item.dispatch_id,
        submission=submission,
        units=(),
        account=letter.whole.issuer,
        idempotency_key=f"{REBUILT}{item.dispatch_id}",
        submission_json=submission.model_dump_json().encode(),
        submission_sha256=_digest(letter.whole),
        body=letter.body,
        content_sha256=content_digest(submission.attachments),
        record=letter.record,
        traceparent=item.traceparent,
        accepted_at=made_at(item.dispatch_id) or page.at,
        forms={file.sha256: file.forms for file in letter.whole.attachments},
    )


def _submission(letter: Descriptor, code: str) -> Submission:
    fields = letter.model_dump(exclude={"v", "id", "attachments", "record"})
    files = tuple(Attachment(**file.model_dump(include=set(Attachment.model_fields))) for file in letter.attachments)
    return Submission(**fields, addressees=(code,), attachments=files)


def _digest(letter: Descriptor) -> str:
    """Of what a letter says, whoever was told it."""
    return hashlib.sha256(_submission(letter, letter.issuer).model_dump_json().encode()).hexdigest()


def _insert_deliveries(conn: Connection, page: ReceivedPage, items: Sequence[KeptDelivery], link: str) -> None:
    """Insert deliveries under their own numbers; one whose number was given again meanwhile gets the next free one.

    So does one whose number lies so far ahead that the unit's counter was not raised to it.
    """
    code = page.kept.unit
    taken = set(
        conn.scalars(
            select(delivery.c.seq).where(delivery.c.unit == code, delivery.c.seq.in_([item.seq for item in items]))
        )
    )
    last = conn.scalar(select(unit_sequence.c.last).where(unit_sequence.c.unit == code)) or 0
    numbers: dict[str, int] = {}
    for item in items:
        numbers[item.id] = item.seq if item.seq <= last and item.seq not in taken else 0
        taken.add(item.seq)
    moved = [key for key, number in numbers.items() if not number]
    if moved:
        first = acceptance.reserve_sequences(conn, Counter({code: len(moved)}))[code]
        numbers |= {key: first + place for place, key in enumerate(moved)}
    paused = int(code in acceptance.paused_units(conn))
    by = owing.by_office()
    rows = [_row(page, item, numbers[item.id], link=link, paused=paused, by=by) for item in items]
    insert_rows(conn, delivery, _DELIVERY, rows, key="id")
    acceptance.log_deliveries(conn, rows)
    for key, count in Counter(item.dispatch_id for item in items).items():
        conn.execute(update(dispatch).where(dispatch.c.id == key).values(total=dispatch.c.total + count))


def _row(page: ReceivedPage, item: KeptDelivery, seq: int, *, link: str, paused: int, by: Owing) -> Row:
    letter = page.letters[item.dispatch_id].whole
    urgency, due = int(letter.urgency), _due(letter)
    return (
        *(item.id, item.dispatch_id, page.kept.unit, seq, link, urgency, Status.PENDING.value, page.at, ""),
        *(made_at(item.dispatch_id) or page.at, None, due, paused, item.recalled_by),
        *by.of(Status.PENDING, page.at, urgency, due),
    )


def _due(letter: Descriptor) -> int | None:
    return None if letter.due is None else round(letter.due.timestamp() * 1000)


def _replay(conn: Connection, page: ReceivedPage, items: Sequence[KeptDelivery], entered: frozenset[str]) -> int:
    """Record what was said of deliveries, and send those again that were parked for being forgotten; how many rows."""
    entries = [entry for item in items for entry in _entries(item, page, is_new=item.id in entered)]
    results = receipts.apply(conn, entries, page.silence)
    numbers = [it.seq for item in page.kept.deliveries for it in item.receipts if not it.elsewhere]
    if numbers:
        receipt_numbers.note(conn, {page.kept.unit: numbers}, ask_at=page.at + page.grace_ms)
    again = [key for some in chunks(sorted(entered)) for key in conn.scalars(_parked_for_it(some))]
    if again:
        acts.redrive(conn, again, who="congvan", reason=_FORGOTTEN_MEANWHILE, now_ms=page.at)
    return sum(isinstance(result, Recorded) and result.new for result in results)


def _call_back(conn: Connection, page: ReceivedPage, entered: Sequence[KeptDelivery]) -> None:
    """Have forgotten recalls take effect, when what was said of all else is recorded."""
    for whole in (page.letters[item.dispatch_id].whole for item in entered):
        if whole.kind is Kind.RECALL:
            recalls.carry_out(conn, whole.id, whole.refers_to, page.at, called_back=[page.kept.unit])


def _parked_for_it(keys: Sequence[str]) -> Select[str]:
    gone = delivery.c.reason_code == ReasonCode.CONTENT_GONE.value
    return select(delivery.c.id).where(delivery.c.id.in_(keys), delivery.c.state == Status.PARKED.value, gone)


def _entries(item: KeptDelivery, page: ReceivedPage, *, is_new: bool) -> Iterator[NewReceipt]:
    """What was said of a delivery; of a new one the ledger says before how it comes to have it.

    After a unit said that it was parked it says that it has it again only when somebody had it redriven.
    """
    if is_new:
        yield _own(
            item, page, Status.QUEUED, f"rebuilt from what the gateway of {page.kept.unit} holds", confirmed=True
        )
    before = None
    for receipt in item.receipts:
        if is_new and before is Status.PARKED and receipt.status is Status.TAKEN:
            yield _own(item, page, Status.REDRIVEN, "somebody had it sent again, of which the ledger has no more")
        before = receipt.status
        yield new_receipt.said_by_unit(receipt, page.at, known_code(receipt.code) or "")


def _own(item: KeptDelivery, page: ReceivedPage, status: Status, reason: str, *, confirmed: bool = False) -> NewReceipt:
    return NewReceipt(new_id(), item.id, status, iso(page.at), page.at, reason=reason, confirmed=confirmed)


def _units_of(conn: Connection, keys: Sequence[str]) -> dict[str, str]:
    rows = (
        row
        for some in chunks(keys)
        for row in conn.execute(select(delivery.c.id, delivery.c.unit).where(delivery.c.id.in_(some)))
    )
    return {row[0]: row[1] for row in rows}
