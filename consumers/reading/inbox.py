"""A unit's inbox as its people see it: what has come, and what they say became of it.

Called by commands in a process of their own while the gateway runs; the gateway's reporter finds what they wrote.
"""

import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, bindparam, func, select, text, update

from consumers.errors import UnknownDeliveryError
from consumers.fetching.content import DIRECTORY_NAME, files_of, remove_unused
from consumers.spool import Spool, outbox, recalls
from consumers.spool.models import inbox, letter, receipt
from consumers.spool.outbox import Statement
from consumers.spool.scope import UnitScope
from schemas.clock import iso, now_ms
from schemas.descriptor import Descriptor
from schemas.dispatch import Kind
from schemas.errors import TransitionError
from schemas.ids import new_id
from schemas.model import parse
from schemas.receipt import Receipt
from schemas.states import BY_PEOPLE, IN_WORK, Status, require
from schemas.text import as_typed


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """One delivery of the inbox. Times are UTC milliseconds, sizes bytes."""

    delivery_id: str
    dispatch_id: str
    unit: str
    seq: int
    issuer: str
    kind: Kind
    notation: str
    subject: str
    urgency: int
    taken_at: int
    state: Status
    state_at: int
    reason: str
    attempts: int
    fetch_bytes: int
    secret: bool = False
    """Whether it is a state secret."""
    due: int | None = None
    """When its answer has to be there (UTC milliseconds); None: its letter does not say."""
    registered_at: int | None = None
    """When it was entered in a register (UTC milliseconds); None: it was not."""

    @property
    def is_new(self) -> bool:
        """Whether it is to be registered: it has come, or was kept after a recall that came before its registration."""
        return self.state is Status.ARRIVED or (self.state is Status.CHANGE_REFUSED and self.registered_at is None)

    @property
    def is_in_work(self) -> bool:
        """Whether it is between its registration and its end, as people deal with it."""
        return self.state in IN_WORK and not self.is_new


@dataclass(frozen=True, slots=True)
class InboxReceipt:
    """One receipt of a delivery; ``sent_at`` (UTC milliseconds) is None while no broker has confirmed it."""

    id: str
    status: Status
    at: str
    reason: str
    person: str
    department: str
    register_number: str
    sent_at: int | None
    corrects: str | None = None
    """The receipt whose fields it puts right."""
    undoes: str | None = None
    """The receipt that was given by mistake."""


PERSONS_WORDS = BY_PEOPLE | {Status.RECALLED}
"""What a person may say; ``recalled`` from a gateway: it never got further, from a person: it was given back."""
_SHORTEST_PART = 6
_COLUMNS = (
    inbox.c.delivery_id,
    letter.c.dispatch_id,
    inbox.c.unit,
    inbox.c.seq,
    letter.c.issuer,
    letter.c.kind,
    letter.c.notation,
    letter.c.subject,
    inbox.c.urgency,
    inbox.c.taken_at,
    inbox.c.state,
    inbox.c.state_at,
    inbox.c.reason,
    inbox.c.attempts,
    inbox.c.fetch_bytes,
    inbox.c.secret,
    letter.c.due,
    inbox.c.registered_at,
)
_ENTRY = select(*_COLUMNS).join(letter, letter.c.pos == inbox.c.letter_pos)
_ONE = _ENTRY.where(inbox.c.delivery_id == bindparam("delivery_id"))
_WAITING = (
    _ENTRY.add_columns(letter.c.body)
    .where(text("inbox.state = 'taken'"))
    .order_by(inbox.c.urgency.desc(), inbox.c.fetch_bytes, inbox.c.pos)
    .limit(bindparam("limit"))
)
_COUNT_WAITING = select(func.count()).select_from(inbox).where(text("inbox.state = 'taken'"))
_TOLD = (
    select(
        receipt.c.id,
        receipt.c.status,
        receipt.c.at,
        receipt.c.reason,
        receipt.c.person,
        receipt.c.department,
        receipt.c.register_number,
        receipt.c.sent_at,
        receipt.c.corrects,
        receipt.c.undoes,
    )
    .join(inbox, inbox.c.pos == receipt.c.inbox_pos)
    .where(inbox.c.delivery_id == bindparam("delivery_id"))
    .order_by(receipt.c.pos)
)
_BODY = (
    select(letter.c.body)
    .join(inbox, letter.c.pos == inbox.c.letter_pos)
    .where(inbox.c.delivery_id == bindparam("delivery_id"))
)


def list_inbox(
    spool: Spool, *, unit: str = "", states: Collection[Status] = (), since_ms: int = 0, limit: int = 50
) -> list[InboxEntry]:
    """The latest deliveries, newest first.

    Args:
        spool: an open spool.
        unit: of this unit only.
        states: in one of these states only.
        since_ms: taken at this time or later (UTC milliseconds).
        limit: at most so many.
    """
    statement = _ENTRY.where(inbox.c.taken_at >= since_ms).order_by(inbox.c.pos.desc()).limit(limit)
    if unit:
        statement = statement.where(inbox.c.unit == unit)
    if states:
        statement = statement.where(inbox.c.state.in_([state.value for state in states]))
    with spool.reading() as conn:
        return [read_entry(row) for row in conn.execute(statement)]


def waiting_letters(conn: Connection, units: UnitScope | None, *, limit: int) -> list[tuple[InboxEntry, bytes]]:
    """Deliveries that have yet to arrive with their descriptors, the most urgent first, then the smallest.

    ``units``: what is seen of these alone; None: of all.
    """
    wanted = _WAITING if units is None else _WAITING.where(units.documents_beside)
    return [(read_entry(row[:-1]), row[-1]) for row in conn.execute(wanted, {"limit": limit})]


def count_waiting(conn: Connection, units: UnitScope) -> int:
    """How many deliveries of units have yet to arrive, as far as they are seen."""
    return conn.scalar(_COUNT_WAITING.where(units.documents)) or 0


def get_entry(spool: Spool, delivery_id: str) -> InboxEntry:
    """One delivery.

    Raises:
        UnknownDeliveryError: the spool has none with this id.
    """
    with spool.reading() as conn:
        return entry_of(conn, delivery_id)


def find_entries(spool: Spool, wanted: str, *, unit: str = "", limit: int = 10) -> list[InboxEntry]:
    """The deliveries that a person may mean, newest first.

    Args:
        spool: an open spool.
        wanted: a delivery's id, or 6 characters or more of its beginning or end, or a notation such as ``123-CV/TU``.
        unit: of this unit only.
        limit: at most so many.
    """
    written = unicodedata.normalize("NFC", wanted.strip())
    meant: ColumnElement[bool] = letter.c.notation.in_({written, as_typed(written)})
    if len(wanted) >= _SHORTEST_PART:
        part = wanted.lower()
        meant |= inbox.c.delivery_id.startswith(part, autoescape=True)
        meant |= inbox.c.delivery_id.endswith(part, autoescape=True)
    statement = _ENTRY.where(meant).order_by(inbox.c.pos.desc()).limit(limit)
    if unit:
        statement = statement.where(inbox.c.unit == unit)
    with spool.reading() as conn:
        return [read_entry(row) for row in conn.execute(statement)]


def descriptor_of(spool: Spool, delivery_id: str) -> Descriptor:
    """The letter of a delivery; without its attachments while the full descriptor is yet to be fetched.

    Raises:
        UnknownDeliveryError: the spool has none with this id.
    """
    with spool.reading() as conn:
        return letter_of(conn, delivery_id)


def letter_of(conn: Connection, delivery_id: str) -> Descriptor:
    """The same in a transaction."""
    body = conn.scalar(_BODY, {"delivery_id": delivery_id})
    if body is None:
        raise _unknown(delivery_id)
    return parse(Descriptor, body, what="descriptor")


def receipts_of(spool: Spool, delivery_id: str) -> list[InboxReceipt]:
    """What was said of a delivery, oldest first."""
    with spool.reading() as conn:
        rows = conn.execute(_TOLD, {"delivery_id": delivery_id}).all()
    return [
        InboxReceipt(
            row.id,
            Status(row.status),
            row.at,
            row.reason or "",
            row.person or "",
            row.department or "",
            row.register_number or "",
            row.sent_at,
            row.corrects,
            row.undoes,
        )
        for row in rows
    ]


def add_person_receipt(
    spool: Spool,
    delivery_id: str,
    status: Status,
    *,
    reason: str = "",
    person: str = "",
    department: str = "",
    register_number: str = "",
) -> InboxEntry:
    """Write what a person says of a delivery: its state changes and the receipt goes out with the next burst.

    Args:
        spool: an open spool.
        delivery_id: the delivery.
        status: refused, registered, assigned, processing, completed, change_accepted, change_refused, or recalled:
            the copies are destroyed, as its issuer asked; what the spool keeps of its files is removed here.
        reason: needed with refused.
        person: who says it.
        department: of that person.
        register_number: the unit's own arrival number (số đến), needed with registered.

    Returns:
        The delivery as it is now.

    Raises:
        UnknownDeliveryError: the spool has none with this id.
        TransitionError: the delivery's state does not allow it, nobody has recalled it, or it is nothing that a
            person says.
        InvalidError: a text is too long, not on one line, or missing.
        SpoolUnavailableError: the disk is full or the file is locked.
    """
    if status not in PERSONS_WORDS:
        raise TransitionError(f"a person cannot say {status.value!r}; allowed: {', '.join(sorted(PERSONS_WORDS))}")
    with spool.writing() as conn:
        entry = entry_of(conn, delivery_id)
        require(entry.state, status)
        if status is Status.RECALLED and not recalls.called_back(conn, {(entry.unit, entry.dispatch_id)}):
            raise TransitionError(f"nobody has recalled {entry.notation}; a document goes back when its issuer asks")
        said = checked_receipt(
            entry,
            {
                "status": status.value,
                "reason": reason,
                "person": person,
                "department": department,
                "register_number": register_number,
            },
        )
        freed = write_receipt(conn, entry, said)
        entry = entry_of(conn, delivery_id)
    if freed:
        files = files_of(spool.path.parent / DIRECTORY_NAME, freed)
        with spool.writing() as conn:
            remove_unused(conn, files)
    return entry


def write_receipt(conn: Connection, entry: InboxEntry, said: Receipt) -> frozenset[str]:
    """Write a checked receipt and the state that it gives; one that corrects another leaves it.

    Returns:
        The contents that nobody needs for this delivery any more, to be removed when this is committed.
    """
    pos = conn.scalars(select(inbox.c.pos).where(inbox.c.delivery_id == entry.delivery_id)).one()
    if said.corrects is None:
        now = now_ms()
        state = {"state": said.status.value, "state_at": now, "reason": said.reason, **_registered_at(said, now)}
        conn.execute(update(inbox).where(inbox.c.pos == pos).values(state))
    statement = Statement(
        inbox_pos=pos,
        unit=entry.unit,
        urgency=entry.urgency,
        status=said.status,
        reason=said.reason or None,
        person=said.person or None,
        department=said.department or None,
        register_number=said.register_number or None,
        corrects=said.corrects,
        undoes=said.undoes,
    )
    outbox.say(conn, [statement])
    return recalls.release(conn, [pos]) if said.status is Status.RECALLED else frozenset()


def _registered_at(said: Receipt, now: int) -> dict[str, int | None]:
    """What a receipt changes of when its document was registered."""
    if said.undoes is not None:
        return {"registered_at": None} if said.status is Status.ARRIVED else {}
    return {"registered_at": now} if said.status is Status.REGISTERED else {}


def checked_receipt(entry: InboxEntry, fields: dict[str, str]) -> Receipt:
    """The receipt as its readers will check it; its id, number and time are given when it is written."""
    placeholder = {
        "id": new_id(),
        "delivery_id": entry.delivery_id,
        "dispatch_id": entry.dispatch_id,
        "unit": entry.unit,
        "at": iso(now_ms()),
        "seq": 1,
    }
    return parse(Receipt, orjson.dumps(placeholder | fields), what="receipt")


def entry_of(conn: Connection, delivery_id: str) -> InboxEntry:
    """A delivery as it is now.

    Raises:
        UnknownDeliveryError: the spool has none with this id.
    """
    row = conn.execute(_ONE, {"delivery_id": delivery_id}).first()
    if row is None:
        raise _unknown(delivery_id)
    return read_entry(row)


def entry_columns() -> tuple[ColumnElement[Any], ...]:
    """The columns of inbox and letter that :func:`read_entry` reads."""
    return _COLUMNS


def read_entry(row: Sequence[Any]) -> InboxEntry:
    """A delivery of these columns."""
    values = list(row)
    values[5], values[10] = Kind(values[5]), Status(values[10])
    return InboxEntry(*values)


def _unknown(delivery_id: str) -> UnknownDeliveryError:
    return UnknownDeliveryError(f"the inbox has no delivery {delivery_id}; `congvan gateway inbox` lists them")
