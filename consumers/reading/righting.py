"""What was said of a document by mistake: undone, or put right, by a further receipt that names the wrong one.

Both stay readable, here and in the ledger. A step is undone from the last one on; the document is then in the state
that it was in before.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from consumers.reading.inbox import InboxEntry, checked_receipt, entry_of, write_receipt
from consumers.spool import Spool, book_entries, handling, recalls
from consumers.spool.said import WrittenReceipt, said_of
from schemas.errors import TransitionError
from schemas.standing import standing
from schemas.states import Status, steps_back


@dataclass(frozen=True, slots=True)
class LastStep:
    """The step of a person that a document's state comes from, and the state before it."""

    told: WrittenReceipt
    before: Status
    register_number: str
    """The arrival number, where the document is only registered without it; else empty."""


def last_step(conn: Connection, entry: InboxEntry) -> LastStep:
    """What can be undone of a document.

    Raises:
        TransitionError: nothing can: nobody has acted, it was taken back, or its issuer wants it back.
    """
    stands = standing(said_of(conn, entry.delivery_id))
    told, wanted = stands.told, steps_back(entry.state)
    before = next((status for status in reversed(tuple(stands.times)) if status in wanted), None)
    if before is None or entry.state not in told:
        raise TransitionError(f"{entry.notation} is {entry.state}; nothing of it can be undone")
    if recalls.called_back(conn, {(entry.unit, entry.dispatch_id)}):
        raise TransitionError(f"{entry.notation} was recalled by its issuer; what was done before stays as it is")
    registered = told.get(Status.REGISTERED)
    number = registered.register_number if registered is not None and before is Status.REGISTERED else ""
    return LastStep(told[entry.state], before, number)


def undo(conn: Connection, entry: InboxEntry, step: LastStep, *, reason: str, person: str, department: str) -> None:
    """Write the receipt that undoes a step; the document is in the state before it.

    Raises:
        InvalidError: there is no reason, or a text is too long or not on one line.
    """
    fields = {"status": step.before.value, "undoes": step.told.id, "reason": reason}
    fields |= {"person": person, "department": department, "register_number": step.register_number}
    write_receipt(conn, entry, checked_receipt(entry, fields))


def correct(conn: Connection, entry: InboxEntry, status: Status, fields: Mapping[str, str]) -> None:
    """Write the receipt that puts an earlier one right: all its fields, the reason among them.

    Raises:
        TransitionError: there is no receipt of that status that counts.
        InvalidError: as above.
    """
    wrong = standing(said_of(conn, entry.delivery_id)).told.get(status)
    if wrong is None or wrong.status in {Status.TAKEN, Status.ARRIVED}:
        raise TransitionError(f"nobody has said {status} of {entry.notation}, so there is nothing to put right")
    write_receipt(conn, entry, checked_receipt(entry, {"status": status.value, "corrects": wrong.id, **fields}))


def undo_last(spool: Spool, delivery_id: str, *, reason: str, person: str = "", department: str = "") -> InboxEntry:
    """Undo the last step of a document that nobody deals with at the desk; the document as it is then.

    Raises:
        UnknownDeliveryError: the spool has none with this id.
        TransitionError: nothing can be undone, or it stands in a register or its people deal with it: one of them is to
            undo it, :func:`consumers.reading.undoing.step_back`.
        InvalidError: there is no reason, or a text is too long or not on one line.
        SpoolUnavailableError: the disk is full or the file is locked.
    """
    with spool.writing() as conn:
        entry = entry_of(conn, delivery_id)
        if book_entries.entry_of(conn, delivery_id) is not None or handling.has_steps(conn, delivery_id):
            raise TransitionError(
                f"{entry.notation} stands in a register or is dealt with at the desk; undo it there, or say who does"
            )
        undo(conn, entry, last_step(conn, entry), reason=reason, person=person, department=department)
        return entry_of(conn, delivery_id)


def correct_receipt(spool: Spool, delivery_id: str, status: Status, fields: Mapping[str, str]) -> InboxEntry:
    """Put a receipt right, for whoever keeps no books here; the document. Raises as :func:`undo_last`."""
    with spool.writing() as conn:
        entry = entry_of(conn, delivery_id)
        if book_entries.entry_of(conn, delivery_id) is not None and status is Status.REGISTERED:
            raise TransitionError(f"{entry.notation} stands in a register of the desk; put it right there")
        correct(conn, entry, status, fields)
        return entry_of(conn, delivery_id)
