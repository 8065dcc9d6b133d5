"""What a unit's people put right about a document: a step undone, an entry corrected, another number given."""

from datetime import date

from consumers.errors import BookError
from consumers.reading.handling import Acting, Looked, OpenDocument, act_on, number_of
from consumers.reading.inbox import entry_of
from consumers.reading.righting import correct, last_step, undo
from consumers.spool import Spool, book_entries, books, handling
from consumers.spool.book_entries import Entry, EntryAuthor
from consumers.spool.handling import STEP_OF, StepKind
from consumers.spool.journal import JournalAct
from consumers.spool.people import DeskRight
from schemas.register import RegisterFields
from schemas.states import Status

RIGHT_TO_UNDO = {
    Status.REFUSED: DeskRight.REGISTER,
    Status.REGISTERED: DeskRight.REGISTER,
    Status.ASSIGNED: DeskRight.DIRECT,
    Status.PROCESSING: DeskRight.PROCESS,
    Status.COMPLETED: DeskRight.PROCESS,
}
"""Whoever may take a step may undo it."""


def step_back(spool: Spool, looked: Looked, by: Acting, reason: str) -> None:
    """Undo the step that a document's state comes from (Phục hồi).

    If that was its registration, its entry is struck through; the next one gets another number.

    Raises:
        TransitionError: nobody has acted, or the document was recalled.
        BookError: the book of its number is closed.
        InvalidError: there is no reason; and what :func:`refuse` raises.
    """

    def act(it: OpenDocument) -> None:
        was = it.entry.state
        card = by.card
        said = {"reason": reason, "person": card.full_name, "department": card.department}
        undo(it.conn, it.entry, last_step(it.conn, it.entry), **said)
        entered = book_entries.entry_of(it.conn, it.entry.delivery_id)
        if was is Status.REGISTERED and entered is not None:
            _strike(it, entered, reason)
