"""Which documents a list wants, as conditions on the inbox alone: what is not there is asked of an index.

So SQLite finds a page of places in its indexes, and reads letters and entries of those alone.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, Select, exists, or_, select, text

from consumers.spool.handling import TaskPart
from consumers.spool.models import book, book_entry, inbox, letter, step, task
from consumers.spool.scope import UnitScope
from schemas.dispatch import Urgency
from schemas.register import BookKind
from schemas.states import ENDED, IN_WORK, Status
from schemas.text import fold

_MOST_WORDS = 10
GENERAL = "-"
"""Stands for the general book, whose name is empty."""


class Need(StrEnum):
    """What a document needs from its unit."""

    COMING = "coming"
    """On its way: nothing yet."""
    REGISTER = "register"
    ANSWER = "answer"
    """Its issuer wants it back."""
    WORK = "work"
    """Registered, and not done."""
    ENDED = "ended"


STATES: dict[Need, tuple[Status, ...]] = {
    Need.REGISTER: (Status.ARRIVED, Status.CHANGE_REFUSED),
    Need.ANSWER: (Status.TAKE_BACK_REQUESTED,),
    Need.WORK: tuple(sorted(IN_WORK)),
    Need.COMING: (Status.TAKEN, Status.PARKED),
    Need.ENDED: tuple(sorted(ENDED)),
}
"""In which states they do; what was kept after a recall is registered already, or needs that: :func:`needs`."""


@dataclass(frozen=True, slots=True)
class WantedDocuments:
    """Which documents, of those at ``units`` that are seen there; what is empty or None says nothing.

    Args:
        units: where, see ``UnitScope``.
        need: what they need.
        words: all of them stand in issuer, notation or subject, accents or not.
        state: in which they are.
        urgency: at least this.
        issuer: the code of the unit that issued them.
        type: their type (tên loại), as it was written.
        book: the name of the book they stand in; :data:`GENERAL` for the one without a name.
        lead: the login of who leads.
        due_before: what is in work and should be done before then (UTC ms).
        since: came then or later (UTC ms).
        until: came before then (UTC ms).
    """

    units: Collection[str]
    need: Need | None = None
    words: str = ""
    state: Status | None = None
    urgency: Urgency | None = None
    issuer: str = ""
    type: str = ""
    book: str = ""
    lead: str = ""
    due_before: int | None = None
    since: int | None = None
    until: int | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether few documents may be wanted, and not those of an index of the inbox."""
        return bool(self.words or self.issuer or self.type or self.book or self.lead or self.due_before is not None)


def of_inbox(wanted: WantedDocuments, *, by_index: bool) -> list[ColumnElement[bool]]:
    """What holds for a row of the inbox that is wanted, beside :func:`of_letter`; ``by_index``: of unit and state."""
    scope = UnitScope.of(wanted.units)
    found = [scope.documents if by_index else scope.documents_beside, *_standing(wanted)]
    if wanted.book:
        found.append(inbox.c.delivery_id.in_(_entered_in(wanted.units, wanted.book)))
    if wanted.lead:
        undone = exists().where(step.c.pos == task.c.given_by, step.c.undone)
        led = task.c.person == wanted.lead, task.c.part == TaskPart.LEAD.value, ~undone
        found.append(inbox.c.pos.in_(select(task.c.inbox_pos).where(*led)))
    if wanted.due_before is not None:
        found += _due_before(wanted.due_before)
    return found


def of_letter(wanted: WantedDocuments) -> list[ColumnElement[bool]]:
    """What holds for the letter of a document that is wanted."""
    named = (letter.c.issuer, wanted.issuer), (letter.c.type, wanted.type)
    words = fold(wanted.words).split()[:_MOST_WORDS]
    said: list[ColumnElement[bool]] = [column == value for column, value in named if value]
    return said + [letter.c.folded.contains(word, autoescape=True) for word in words]


def _standing(wanted: WantedDocuments) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.need is not None:
        found += needs(wanted.need)
    if wanted.state is not None:
        found.append(inbox.c.state == wanted.state.value)
    if wanted.urgency is not None:
        found.append(inbox.c.urgency >= int(wanted.urgency))
    if wanted.since is not None:
        found.append(inbox.c.taken_at >= wanted.since)
    if wanted.until is not None:
        found.append(inbox.c.taken_at < wanted.until)
    return found


def needs(need: Need) -> list[ColumnElement[bool]]:
    """The condition on a row of the inbox that it needs this."""
    found: list[ColumnElement[bool]] = [inbox.c.state.in_([state.value for state in STATES[need]])]
    if Status.CHANGE_REFUSED in STATES[need]:
        registered = inbox.c.registered_at.is_not(None)
        kept = registered if need is Need.WORK else ~registered
        found.append(or_(inbox.c.state != Status.CHANGE_REFUSED.value, kept))
    return found


def _entered_in(units: Collection[str], name: str) -> Select[tuple[str | None]]:
    here = UnitScope.of(units).books, book.c.kind == BookKind.INCOMING.value
    places = select(book.c.pos).where(*here, book.c.name == ("" if name == GENERAL else name))
    entered = book_entry.c.book_pos.in_(places), text("book_entry.state = 'entered'")
    return select(book_entry.c.delivery_id).where(*entered, book_entry.c.delivery_id.is_not(None))


def _due_before(at: int) -> list[ColumnElement[bool]]:
    tasks = select(task.c.inbox_pos).where(text("task.ended_at IS NULL"), task.c.until < at)
    letters = select(letter.c.pos).where(text("letter.due IS NOT NULL"), letter.c.due < at)
    open_states = [state.value for state in (*STATES[Need.WORK], *STATES[Need.REGISTER])]
    return [inbox.c.state.in_(open_states), or_(inbox.c.pos.in_(tasks), inbox.c.letter_pos.in_(letters))]
