"""What a unit's people do about a document: each act is one transaction of its step, its receipt and the journal.

Two people on one document: the second act on a document that has moved on since its person looked is refused.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from sqlalchemy import Connection, select

from consumers.errors import BookError, DocumentMovedError, NotForThemError, UnknownDeliveryError
from consumers.fetching.content import DIRECTORY_NAME, files_of, remove_unused
from consumers.reading.inbox import InboxEntry, checked_receipt, entry_of, write_receipt
from consumers.spool import Spool, books, handling, journal, recalls
from consumers.spool.book_entries import BookKey, EntryAuthor
from consumers.spool.handling import HandlingStep, StepDetail, StepKind, Task, TaskPart
from consumers.spool.journal import JournalAct, JournalEntry
from consumers.spool.models import inbox
from consumers.spool.people import Card, DeskRight, cards, holders
from consumers.spool.scope import UnitScope
from schemas.errors import TransitionError
from schemas.register import SECRET_BOOK, BookKind, RegisterFields
from schemas.states import Status, require

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Acting:
    """Who acts: their card, when (UTC ms), from which address, and at which units they may: see ``UnitScope``."""

    card: Card
    at: int
    units: Collection[str]
    address: str = ""

    def noted(
        self, act: JournalAct, unit: str, subject: str, detail: str = "", *, secret: bool = False
    ) -> JournalEntry:
        """What the journal says of an act of theirs; ``secret``: about a state secret."""
        return JournalEntry(self.at, self.card.login, act, unit, subject, detail, self.address, secret)


@dataclass(frozen=True, slots=True)
class Looked:
    """A document as its person saw it: ``seen`` is what :func:`consumers.spool.handling.seen` said then."""

    delivery_id: str
    seen: str


@dataclass(frozen=True, slots=True)
class Direction:
    """What a leader says.

    Args:
        instruction: what is to be done.
        lead: who leads: a login of the unit, or the words for a department.
        coordinate: who helps, as above.
        know: who is to know, as above.
        until: by which day; None: none is set.
        until_ms: the end of that day's office hours, UTC milliseconds.
    """

    instruction: str
    lead: str
    coordinate: tuple[str, ...] = ()
    know: tuple[str, ...] = ()
    until: date | None = None
    until_ms: int | None = None

    def others(self, named: Sequence[str]) -> list[str]:
        """Those named beside the lead, each once."""
        return [one for one in dict.fromkeys(named) if one and one != self.lead]


@dataclass(frozen=True, slots=True)
class OpenDocument:
    """A document in the transaction of an act: as it is now, its place in the inbox, who acts."""

    conn: Connection
    entry: InboxEntry
    pos: int
    by: Acting

    def say(self, status: Status, **fields: str) -> frozenset[str]:
        """Write the receipt; the contents that are free then."""
        require(self.entry.state, status)
        told = {"status": status.value, "person": self.by.card.full_name, "department": self.by.card.department}
        return write_receipt(self.conn, self.entry, checked_receipt(self.entry, told | fields))

    def step(self, kind: StepKind, act: JournalAct, **detail: object) -> int:
        """Write the step, and the act in the journal; the step's place."""
        said = StepDetail.model_validate(detail)
        place = handling.add_step(
            self.conn, self.pos, HandlingStep(kind, self.by.at, self.by.card.login, self.by.card.full_name, said)
        )
        words = said.number or said.answer or said.lead or said.leader or said.words
        subject = self.entry.notation or self.entry.delivery_id
        told = self.by.noted(act, self.entry.unit, subject, words, secret=self.entry.secret)
        journal.record(self.conn, told)
        return place

    def end_tasks(self, by: int, *parts: TaskPart) -> None:
        """End what is open of it, or these parts; ``by``: the step that does."""
        handling.end_tasks(self.conn, self.pos, self.by.at, parts or tuple(TaskPart), by=by)


def register(
    spool: Spool, looked: Looked, by: Acting, fields: RegisterFields, *, book: str = "", number: int | None = None
) -> int:
    """Enter a document in its unit's arrival book of the year of its arrival; the number.

    Args:
        spool: an open spool.
        looked: the document.
        by: who enters it.
        fields: what is entered.
        book: the name of a book of its own; empty: the general one, or that of state secrets for one.
        number: that the person was shown; None: whichever is next.

    Raises:
        UnknownDeliveryError: the spool has none with this id at a unit of the person.
        DocumentMovedError: somebody was faster.
        TransitionError: it is registered already, refused or taken back.
        BookError: the book is closed, or the number was given meanwhile.
        InvalidError: a text is too long for a receipt, or not on one line.
        SpoolUnavailableError: the disk is full or the file is locked.
    """
    return act_on(spool, looked, by, lambda it: _enter(it, fields, book, number))


def register_all(
    spool: Spool, ids: Sequence[str], by: Acting, fields_of: Callable[[Connection, InboxEntry], RegisterFields]
) -> None:
    """Enter documents one after the other, all in one transaction: consecutive in each book, or none of them.

    Args:
        spool: an open spool.
        ids: the deliveries, in the order of their numbers.
        by: who enters them.
        fields_of: what is entered for each.

    Raises:
        DocumentMovedError: somebody dealt with one meanwhile; it is named.
        UnknownDeliveryError: and what else :func:`register` raises.
    """
    with spool.writing() as conn:
        for delivery_id in ids:
            entry, _, pos = looked_at(conn, delivery_id, by.units)
            if not entry.is_new:
                raise DocumentMovedError(f"{entry.notation} is {entry.state} by now; none of them was entered")
            _enter(OpenDocument(conn, entry, pos, by), fields_of(conn, entry))


def _enter(it: OpenDocument, fields: RegisterFields, book: str = "", number: int | None = None) -> int:
    require(it.entry.state, Status.REGISTERED)
    key = arrival_book(it.entry, fields.day.year, book)
    author = EntryAuthor(it.by.card.full_name, it.by.at, it.by.card.department)
    given = books.enter(it.conn, key, fields, author, delivery_id=it.entry.delivery_id, number=number)
    it.say(Status.REGISTERED, register_number=str(given))
    it.step(StepKind.REGISTERED, JournalAct.REGISTERED, number=number_of(key, given))
    return given


def arrival_book(entry: InboxEntry, year: int, name: str = "") -> BookKey:
    """The book of a year that a document is entered in.

    Raises:
        BookError: it is a state secret, and the named book is not for those.
    """
    key = BookKey(entry.unit, BookKind.INCOMING, year, name or (SECRET_BOOK if entry.secret else ""))
    if entry.secret and not key.secret:
        raise BookError(f"{entry.notation} is a state secret and belongs into the book {SECRET_BOOK!r}")
    return key


def refuse(spool: Spool, looked: Looked, by: Acting, reason: str) -> None:
    """Say that the unit does not accept a document. Raises as :func:`register`, without the book's."""

    def act(it: OpenDocument) -> None:
        it.say(Status.REFUSED, reason=reason)
        it.end_tasks(it.step(StepKind.REFUSED, JournalAct.REFUSED, words=reason))

    act_on(spool, looked, by, act)


def submit(spool: Spool, looked: Looked, by: Acting, leader: Card, words: str) -> None:
    """Put a registered document before a leader. Raises as :func:`refuse`."""

    def act(it: OpenDocument) -> None:
        _require_in_work(it.entry)
        place = it.step(StepKind.SUBMITTED, JournalAct.SUBMITTED, leader=leader.full_name, words=words)
        it.end_tasks(place, TaskPart.DIRECT)
        handling.give_tasks(it.conn, it.pos, [Task(leader.login, TaskPart.DIRECT, by.at)], by=place)

    act_on(spool, looked, by, act)


def direct(spool: Spool, looked: Looked, by: Acting, direction: Direction) -> None:
    """Say who does what by when; the issuer learns who leads.

    Raises:
        NotForThemError: it names somebody of the desk who may not see the document.
        DocumentMovedError: and what else :func:`refuse` raises.
    """

    def act(it: OpenDocument) -> None:
        _require_in_work(it.entry)
        known = _named_people(it, direction)
        lead = _named(direction.lead, known)
        if it.entry.state in {Status.REGISTERED, Status.CHANGE_REFUSED}:
            it.say(Status.ASSIGNED, reason=f"Chủ trì: {lead}")
        place = it.step(
            StepKind.DIRECTED,
            JournalAct.DIRECTED,
            words=direction.instruction,
            lead=lead,
            coordinate=[_named(one, known) for one in direction.others(direction.coordinate)],
            know=[_named(one, known) for one in direction.others(direction.know)],
            until=direction.until,
            until_ms=direction.until_ms,
        )
        it.end_tasks(place)
        handling.give_tasks(it.conn, it.pos, _tasks_of(direction, by.at, known), by=place)

    act_on(spool, looked, by, act)


def process(spool: Spool, looked: Looked, by: Acting, words: str) -> None:
    """Say that somebody is at it, or note how far it is. Raises as :func:`refuse`."""

    def act(it: OpenDocument) -> None:
        _require_in_work(it.entry)
        if it.entry.state is Status.PROCESSING:
            it.step(StepKind.NOTED, JournalAct.NOTED, words=words)
            return
        it.say(Status.PROCESSING)
        it.step(StepKind.PROCESSED, JournalAct.PROCESSED, words=words)

    act_on(spool, looked, by, act)


def complete(spool: Spool, looked: Looked, by: Acting, words: str, *, answer: str = "") -> None:
    """Say that a document is done, and which document of the unit answers it. Raises as :func:`refuse`."""
    act_on(spool, looked, by, lambda it: _complete(it, words, answer))


def complete_by_answer(conn: Connection, delivery_id: str, by: Acting, answer: str, *, secret: bool) -> bool:
    """Say in the writer's transaction that a document is done, by the answer that the router has accepted.

    A secret answer is named only where what it answers is one, too: others read the steps of all else.

    Returns:
        Whether it was still in work: what ended meanwhile, or is called back, stays as it is.
    """
    try:
        entry, _, pos = looked_at(conn, delivery_id, by.units)
    except UnknownDeliveryError:
        return False
    if not entry.is_in_work:
        return False
    _complete(OpenDocument(conn, entry, pos, by), "", "" if secret and not entry.secret else answer)
    return True


def answer_change(spool: Spool, looked: Looked, by: Acting, *, accept: bool, reason: str = "") -> None:
    """Answer the issuer's wish to have a document back: it is destroyed here and said so, or kept with a reason.

    Raises:
        TransitionError: nobody has called it back.
        DocumentMovedError: and what else :func:`refuse` raises.
    """
    free: frozenset[str] = frozenset()

    def act(it: OpenDocument) -> frozenset[str]:
        if not recalls.called_back(it.conn, {(it.entry.unit, it.entry.dispatch_id)}):
            raise TransitionError(f"nobody has recalled {it.entry.notation}; a document goes back when its issuer asks")
        if not accept:
            it.say(Status.CHANGE_REFUSED, reason=reason)
            it.step(StepKind.CHANGE_REFUSED, JournalAct.CHANGE_REFUSED, words=reason)
            return frozenset()
        freed = it.say(Status.RECALLED, reason=reason)
        it.end_tasks(it.step(StepKind.GIVEN_BACK, JournalAct.GIVEN_BACK, words=reason))
        return freed

    if free := act_on(spool, looked, by, act):
        files = files_of(spool.path.parent / DIRECTORY_NAME, free)
        with spool.writing() as conn:
            remove_unused(conn, files)


def looked_at(conn: Connection, delivery_id: str, units: Collection[str]) -> tuple[InboxEntry, Looked, int]:
    """A document at one of the units, as it is now, and its place in the inbox.

    Raises:
        UnknownDeliveryError: there is none.
    """
    entry = entry_of(conn, delivery_id)
    if not UnitScope.of(units).sees(entry.unit, secret=entry.secret):
        raise UnknownDeliveryError(f"the inbox has no delivery {delivery_id}")
    pos = conn.scalars(select(inbox.c.pos).where(inbox.c.delivery_id == delivery_id)).one()
    return entry, Looked(delivery_id, handling.seen(conn, pos)), pos


def act_on(spool: Spool, looked: Looked, by: Acting, act: Callable[[OpenDocument], T]) -> T:
    """Act on a document in one transaction, unless somebody did since its person looked.

    Raises:
        UnknownDeliveryError: there is none at a unit of the person.
        DocumentMovedError: somebody was faster.
    """
    with spool.writing() as conn:
        entry, now, pos = looked_at(conn, looked.delivery_id, by.units)
        if now.seen != looked.seen:
            last = handling.steps(conn, pos)[-1:]
            told = f"{last[0].full_name}: {last[0].kind.value}" if last else entry.state.value
            raise DocumentMovedError(f"{entry.notation} was dealt with meanwhile ({told}); look at it again")
        return act(OpenDocument(conn, entry, pos, by))


def number_of(key: BookKey, number: int) -> str:
    """A number of a book as steps have it."""
    return f"{number}/{key.year}" + (f" {key.name}" if key.name else "")


def _complete(it: OpenDocument, words: str, answer: str) -> None:
    _require_in_work(it.entry)
    it.say(Status.COMPLETED, **({"reason": f"Trả lời: {answer}"} if answer else {}))
    it.end_tasks(it.step(StepKind.COMPLETED, JournalAct.COMPLETED, words=words, answer=answer))


def _require_in_work(entry: InboxEntry) -> None:
    if not entry.is_in_work:
        raise TransitionError(f"{entry.notation} is {entry.state}; it is dealt with between registration and its end")


def _tasks_of(direction: Direction, at: int, known: dict[str, Card]) -> list[Task]:
    named = [
        (direction.lead, TaskPart.LEAD),
        *((one, TaskPart.COORDINATE) for one in direction.others(direction.coordinate)),
        *((one, TaskPart.KNOW) for one in direction.others(direction.know)),
    ]
    return [Task(login, part, at, direction.until_ms) for login, part in named if login in known]


def _named_people(it: OpenDocument, direction: Direction) -> dict[str, Card]:
    """The people among those that a direction names; all others are departments.

    Raises:
        NotForThemError: one of them may not see the document.
    """
    known = cards(it.conn, (direction.lead, *direction.coordinate, *direction.know))
    seeing = holders(it.conn, it.entry.unit, DeskRight.SEE, secret=it.entry.secret)
    if blind := sorted(known.keys() - {card.login for card in seeing}):
        raise NotForThemError(f"{', '.join(blind)} may not see {it.entry.notation or it.entry.delivery_id}")
    return known


def _named(one: str, known: dict[str, Card]) -> str:
    return known[one].full_name if one in known else one
