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
        place = it.step(StepKind.UNDONE, JournalAct.UNDONE, words=reason, undone=STEP_OF[was])
        handling.take_back(it.conn, it.pos, [STEP_OF[was]], by.at, by=place)

    act_on(spool, looked, by, act)


def unregister(spool: Spool, looked: Looked, by: Acting, reason: str) -> None:
    """Undo the registration of a document; its entry is struck through.

    Raises:
        BookError: it is dealt with already; and what :func:`step_back` raises.
    """
    with spool.reading() as conn:
        entry = entry_of(conn, looked.delivery_id)
    if entry.state is not Status.REGISTERED:
        raise BookError(f"{entry.notation} is {entry.state}: undo that first, or give it another number")
    step_back(spool, looked, by, reason)


def correct_entry(
    spool: Spool, looked: Looked, by: Acting, fields: RegisterFields, reason: str, *, version: int
) -> None:
    """Put the entry of a document in its register right, and tell its issuer.

    Raises:
        BookError: the book is closed, or somebody changed the entry meanwhile; and what :func:`step_back` raises.
    """

    def act(it: OpenDocument) -> None:
        entered = _entered(it)
        author = EntryAuthor(by.card.full_name, by.at, by.card.department, reason)
        books.correct(it.conn, entered.key, entered.number, fields, author, version=version)
        _correct_number(it, entered.number, reason)
        it.step(
            StepKind.CORRECTED, JournalAct.ENTRY_CORRECTED, words=reason, number=number_of(entered.key, entered.number)
        )

    act_on(spool, looked, by, act)


def renumber(spool: Spool, looked: Looked, by: Acting, reason: str, *, number: int | None = None) -> int:
    """Enter a registered document under another number of its book: the old one is struck through; the new number.

    Args:
        spool: an open spool.
        looked: the document.
        by: who does it.
        reason: why.
        number: the next one of the book or a reserved one; None: the next one.

    Raises:
        BookError: the book is closed or the number is not to be had; and what :func:`step_back` raises.
    """

    def act(it: OpenDocument) -> int:
        entered = _entered(it)
        _strike(it, entered, reason)
        author = EntryAuthor(by.card.full_name, by.at, by.card.department, reason)
        fields = entered.fields or RegisterFields(day=date(entered.key.year, 1, 1), subject=it.entry.subject)
        given = books.enter(it.conn, entered.key, fields, author, delivery_id=it.entry.delivery_id, number=number)
        _correct_number(it, given, reason)
        it.step(StepKind.CORRECTED, JournalAct.ENTRY_CORRECTED, words=reason, number=number_of(entered.key, given))
        return given

    return act_on(spool, looked, by, act)


def _entered(it: OpenDocument) -> Entry:
    """The document's entry in its register.

    Raises:
        BookError: it has none.
    """
    entered = book_entries.entry_of(it.conn, it.entry.delivery_id)
    if entered is None:
        raise BookError(f"{it.entry.notation} stands in no register; register it first")
    return entered


def _strike(it: OpenDocument, entered: Entry, reason: str) -> None:
    author = EntryAuthor(it.by.card.full_name, it.by.at, it.by.card.department, reason)
    books.strike(it.conn, entered.key, entered.number, author, version=entered.versions[-1].version)


def _correct_number(it: OpenDocument, number: int, reason: str) -> None:
    card = it.by.card
    fields = {"reason": reason, "person": card.full_name, "department": card.department}
    correct(it.conn, it.entry, Status.REGISTERED, fields | {"register_number": str(number)})
