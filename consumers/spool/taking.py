"""Custody: descriptors become rows of the inbox, with their first receipts, in the transaction after which we ack.

What needs neither fetching nor a sink has arrived by being stored; it never passes the courier.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from consumers.spool import outbox, recalls
from consumers.spool.models import content_use, gap, inbox, letter, letter_reference, receipt, unit
from consumers.spool.outbox import Statement
from consumers.spool.recalls import NOTHING, Noted, Recalled
from consumers.spool.sets import among, as_list, insert_rows
from schemas.attachment import PLAIN, Forms
from schemas.clock import now_ms
from schemas.states import Status
from schemas.text import fold

MAX_GAP = 10_000
"""Sequence numbers of one unit asked for at once; what lies further back the ledger sends again by itself."""


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes that are to be fetched, by their name; ``forms``: the smaller ones in which they may come."""

    sha256: str
    size: int
    forms: Forms = PLAIN

    def least(self, *, holds: Callable[[str], bool] = lambda _dictionary: True) -> int:
        """The bytes that are to be expected on the line.

        Args:
            holds: whether a dictionary is here; when nothing is said it is taken for granted.
        """
        found = [self.size]
        if self.forms.zstd_size is not None:
            found.append(self.forms.zstd_size)
        if self.forms.dcz_size is not None and self.forms.dictionary is not None and holds(self.forms.dictionary):
            found.append(self.forms.dcz_size)
        return min(found)


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """What the spool keeps of a descriptor; the same for all addressees.

    Of a stub, ``contents`` names the record alone and ``content_sha256`` is None: the full descriptor is to be fetched.
    """

    dispatch_id: str
    issuer: str
    kind: str
    notation: str
    subject: str
    urgency: int
    traceparent: str
    content_sha256: str | None
    contents: tuple[Content, ...]
    body: bytes
    recalls: tuple[str, ...] = ()
    """The dispatches that it calls back."""
    type: str = ""
    due: int | None = None
    """When its answer has to be there (UTC ms); None: it does not say."""
    secret: bool = False
    """Whether it is a state secret."""
    refers_to: tuple[str, ...] = ()
    """The dispatches that it answers, recalls, updates or replaces, as far as a stub says so."""


class Arriving(NamedTuple):
    """A delivery as it came from the broker; ``complete``: storing it is all there is to do.

    ``redriven_at``: when an operator had it sent again (UTC ms by the router's clock), 0: never; None: the router is of
    a version that does not say.
    """

    delivery_id: str
    unit: str
    seq: int
    letter: StoredLetter
    complete: bool
    redriven_at: int | None = None


@dataclass(frozen=True, slots=True)
class GapPauses:
    """When a sequence number that is missing is first asked for: milliseconds after it was noticed."""

    ask_after_ms: int


@dataclass(frozen=True, slots=True)
class TakenBatch:
    """What became of a batch: how many were new, how many of those the courier has to see to, how many were known.

    ``recalled``: what a recall in the batch, or one that had come before its original, ended at once.
    """

    new: int
    waiting: int
    known: int
    recalled: Recalled = NOTHING


@dataclass(frozen=True, slots=True)
class _Known:
    """A delivery that the inbox has already."""

    pos: int
    state: str
    redriven_at: int

    def is_redriven_by(self, item: Arriving, *, router_knows: bool) -> bool:
        """Whether an operator had it sent again since; ``router_knows``: it can know that this one is parked.

        A router that does not say so sends what is parked for no other reason, once it knows of it.
        """
        return router_knows if item.redriven_at is None else item.redriven_at > self.redriven_at


_KNOWN = select(inbox.c.delivery_id, inbox.c.pos, inbox.c.state, inbox.c.redriven_at).where(
    among(inbox.c.delivery_id, "ids")
)
_LETTERS = select(letter.c.dispatch_id, letter.c.pos).where(among(letter.c.dispatch_id, "ids"))
_LAST_LETTER = select(func.coalesce(func.max(letter.c.pos), 0))
_LAST_INBOX = select(func.coalesce(func.max(inbox.c.pos), 0))
_PARKED_UNSENT = select(receipt.c.inbox_pos).where(
    among(receipt.c.inbox_pos, "positions"),
    receipt.c.status == Status.PARKED.value,
    receipt.c.sent_at.is_(None),
)
_REOPEN = (
    update(inbox)
    .where(inbox.c.pos == bindparam("b_pos"))
    .values(
        state=Status.TAKEN.value,
        state_at=bindparam("b_now"),
        attempts=0,
        retry_at=0,
        reason="",
        reason_code="",
        redriven_at=bindparam("b_redriven"),
    )
)
_LETTER_COLUMNS = (
    "pos",
    "dispatch_id",
    "issuer",
    "kind",
    "notation",
    "subject",
    "urgency",
    "traceparent",
    "content_sha256",
    "body",
    "folded",
    "type",
    "due",
)
_INBOX_COLUMNS = (
    "pos",
    "delivery_id",
    "letter_pos",
    "unit",
    "seq",
    "urgency",
    "taken_at",
    "state",
    "state_at",
    "stub",
    "fetch_bytes",
    "redriven_at",
    "secret",
)
_HIGHEST = select(unit.c.code, unit.c.highest_seq).where(among(unit.c.code, "codes"))
_NEW_HIGHEST = upsert(unit)
_SET_HIGHEST = _NEW_HIGHEST.on_conflict_do_update(
    index_elements=["code"], set_={"highest_seq": _NEW_HIGHEST.excluded.highest_seq}
)
_FILL_GAP = delete(gap).where(gap.c.unit == bindparam("b_unit"), gap.c.seq == bindparam("b_seq"))


def take(conn: Connection, batches: Sequence[tuple[Sequence[Arriving], GapPauses]]) -> list[TakenBatch]:
    """Store what is new and answer what is known; one result per batch."""
    return [_take(conn, batch, gaps) for batch, gaps in batches]


def _take(conn: Connection, batch: Sequence[Arriving], gaps: GapPauses) -> TakenBatch:
    now = now_ms()
    latest_first = sorted(batch, key=lambda item: -(item.redriven_at or 0))
    first = {item.delivery_id: item for item in reversed(latest_first)}
    known = {row[0]: _Known(*row[1:]) for row in conn.execute(_KNOWN, {"ids": as_list(first)})}
    new = [item for key, item in first.items() if key not in known]
    waiting = sum(not item.complete for item in new)
    waiting += _answer_known(conn, [(first[key], found) for key, found in known.items()], now) if known else 0
    recalled = _take_new(conn, new, now, gaps) if new else NOTHING
    return TakenBatch(len(new), waiting, len(batch) - len(new), recalled)


def _take_new(conn: Connection, new: Sequence[Arriving], now: int, gaps: GapPauses) -> Recalled:
    """Store deliveries, with the effect of the recalls among them and of those that had come before."""
    calling = [item for item in new if item.letter.recalls]
    asked = [Noted(item.unit, item.letter.recalls, item.letter.dispatch_id, item.letter.notation) for item in calling]
    noted = recalls.note(conn, asked)
    called_back = recalls.called_back(conn, {(item.unit, item.letter.dispatch_id) for item in new})
    _store(conn, [_as_waiting(item, called_back) for item in new] if called_back else new, now)
    _note_sequence(conn, new, now, gaps)
    return recalls.carry_out(conn, noted | called_back)


def _as_waiting(item: Arriving, called_back: Collection[recalls.Pair]) -> Arriving:
    """A delivery that was called back does not arrive by being stored."""
    return item._replace(complete=False) if (item.unit, item.letter.dispatch_id) in called_back else item


def _store(conn: Connection, new: Sequence[Arriving], now: int) -> None:
    letters = _store_letters(conn, {item.letter.dispatch_id: item.letter for item in new})
    start = conn.scalars(_LAST_INBOX).one() + 1
    placed = list(enumerate(new, start))
    insert_rows(
        conn, inbox, _INBOX_COLUMNS, [_row(pos, item, letters[item.letter.dispatch_id], now) for pos, item in placed]
    )
    outbox.say(conn, [_statement(pos, item) for pos, item in placed])
    uses = [(content.sha256, pos) for pos, item in placed for content in item.letter.contents]
    insert_rows(conn, content_use, ("sha256", "inbox_pos"), uses)


def _store_letters(conn: Connection, letters: dict[str, StoredLetter]) -> dict[str, int]:
    """Store the letters that are new; the position of each by its dispatch's id."""
    found = {row[0]: row[1] for row in conn.execute(_LETTERS, {"ids": as_list(letters)})}
    new = [item for key, item in letters.items() if key not in found]
    placed = list(enumerate(new, conn.scalars(_LAST_LETTER).one() + 1))
    rows = [_letter_row(pos, item) for pos, item in placed]
    insert_rows(conn, letter, _LETTER_COLUMNS, rows)
    keep_references(conn, [(pos, one) for pos, item in placed for one in item.refers_to])
    return found | {row[1]: row[0] for row in rows}


def keep_references(conn: Connection, found: Sequence[tuple[int, str]]) -> None:
    """Keep which letters, by their places, refer to which dispatches."""
    insert_rows(conn, letter_reference, ("letter_pos", "dispatch_id"), found)


def _letter_row(pos: int, item: StoredLetter) -> tuple[Any, ...]:
    return (
        pos,
        item.dispatch_id,
        item.issuer,
        item.kind,
        item.notation,
        item.subject,
        item.urgency,
        item.traceparent,
        item.content_sha256,
        item.body,
        fold(f"{item.issuer} {item.notation} {item.subject}"),
        item.type,
        item.due,
    )


def _row(pos: int, item: Arriving, letter_pos: int, now: int) -> tuple[Any, ...]:
    return (
        pos,
        item.delivery_id,
        letter_pos,
        item.unit,
        item.seq,
        item.letter.urgency,
        now,
        Status.ARRIVED.value if item.complete else Status.TAKEN.value,
        now,
        item.letter.content_sha256 is None,
        sum(content.least() for content in item.letter.contents),
        item.redriven_at or 0,
        item.letter.secret,
    )


def _statement(pos: int, item: Arriving) -> Statement:
    """``arrived`` says ``taken`` as well when both happen in this transaction: one receipt less on the line."""
    return Statement(pos, item.unit, item.letter.urgency, Status.ARRIVED if item.complete else Status.TAKEN)


def _answer_known(conn: Connection, again: Sequence[tuple[Arriving, _Known]], now: int) -> int:
    """Say again what was said of those that are done; open again those that an operator sent again; how many.

    A copy of a parked one is no redrive: the router may have sent it twice, or may not know that it is parked.
    One still in work needs no answer.
    """
    parked = {known.pos: (item, known) for item, known in again if known.state == Status.PARKED}
    unsent = set(conn.scalars(_PARKED_UNSENT, {"positions": as_list(parked)})) if parked else set()
    redriven = {
        pos: item for pos, (item, known) in parked.items() if known.is_redriven_by(item, router_knows=pos not in unsent)
    }
    answered = [known.pos for _, known in again if known.state != Status.TAKEN and known.pos not in redriven]
    # After a recovery of the ledger it may come under another number than it was taken under.
    conn.execute(_FILL_GAP, [{"b_unit": item.unit, "b_seq": item.seq} for item, _ in again])
    if answered:
        outbox.send_again(conn, answered)
    if redriven:
        rows = [{"b_pos": pos, "b_now": now, "b_redriven": item.redriven_at or 0} for pos, item in redriven.items()]
        conn.execute(_REOPEN, rows)
        outbox.say(
            conn, [Statement(pos, item.unit, item.letter.urgency, Status.TAKEN) for pos, item in redriven.items()]
        )
    return len(redriven)


def _note_sequence(conn: Connection, new: Iterable[Arriving], now: int, gaps: GapPauses) -> None:
    """Keep each unit's highest number, note those that were jumped over, forget those that have come."""
    by_unit: dict[str, list[int]] = {}
    for item in new:
        by_unit.setdefault(item.unit, []).append(item.seq)
    highest: dict[str, int] = {row[0]: row[1] for row in conn.execute(_HIGHEST, {"codes": as_list(by_unit)})}
    missing, came, raised = [], [], []
    for code, numbers in by_unit.items():
        known = highest.get(code, 0)
        came += [{"b_unit": code, "b_seq": number} for number in numbers if number < known]
        missing += [(code, number, 0, now + gaps.ask_after_ms) for number in jumped_over(known, numbers)]
        raised.append({"code": code, "highest_seq": max(known, *numbers)})
    conn.execute(_SET_HIGHEST, raised)
    if came:
        conn.execute(_FILL_GAP, came)
    insert_rows(conn, gap, ("unit", "seq", "asked", "ask_at"), missing)


def jumped_over(known: int, numbers: Sequence[int]) -> list[int]:
    """The numbers above the highest ``known`` one and below the highest of ``numbers`` that are not among these.

    With nothing known (0) a unit's history begins at the lowest of ``numbers``.

    >>> jumped_over(5, [6, 9, 8]), jumped_over(0, [41, 43])
    ([7], [42])
    """
    start = known + 1 if known else min(numbers)
    start = max(start, max(numbers) - MAX_GAP)
    return sorted(set(range(start, max(numbers))).difference(numbers))
