"""What people do about documents that go out: send them, and call them back.

Sending is one transaction: the entry in the outgoing book, the row that the gateway brings up, the end of the draft.
Its files lie among the contents before that, each under its hash. So after a kill at any instruction the draft is there
as it was, or the document is on its way under its number; its id is the key by which the router knows it, and it is
sent once however often somebody clicks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection

from consumers.errors import ContentNotKeptError
from consumers.fetching.content import DIRECTORY_NAME
from consumers.reading.drafting import SeenDraft, as_seen, require_theirs
from consumers.reading.handling import Acting
from consumers.spool import Spool, book_entries, books, desk_letters, drafts, journal, letter_forms, sending
from consumers.spool.book_entries import BookKey, EntryAuthor
from consumers.spool.desk_letters import DeskSaying, OutgoingLetter
from consumers.spool.drafts import Draft, DraftFile
from consumers.spool.journal import JournalAct
from consumers.spool.letter_forms import LetterForm
from consumers.spool.sending import SendingFile, TakenDocument
from schemas.dispatch import Submission, Urgency
from schemas.errors import FieldProblem, InvalidError, TransitionError
from schemas.model import parse
from schemas.recalling import NOT_RECALLED, is_recallable, recall_of
from schemas.register import SECRET_BOOK, BookKind, RegisterFields
from schemas.stages import Stage

_NAME_LENGTH = 150


@dataclass(frozen=True, slots=True)
class ReadyLetter:
    """A draft that is to be sent as it was read.

    Attributes:
        draft: as it was read.
        submission: the letter.
        entry: what is entered in the outgoing book; None: the letter has no number.
        number: that the person was shown; None: whichever is next.
        answers: the delivery that it answers; empty: none.
        completes: that is done when the letter is accepted.
    """

    draft: Draft
    submission: Submission
    entry: RegisterFields | None = None
    number: int | None = None
    answers: str = ""
    completes: bool = False


def send(spool: Spool, ready: ReadyLetter, by: Acting) -> None:
    """Send a draft, entered in the outgoing book; one that was sent already is sent once.

    Raises:
        UnknownDraftError: it is of no unit that the person sends for.
        DocumentMovedError: somebody changed it since it was read, or threw it away.
        BookError: the book is closed, or the number was given meanwhile.
        InvalidError: a letter that is put right has another issuer, or it is or answers what the person may not see.
        ContentNotKeptError: a file has gone from the disk.
        SpoolUnavailableError: the disk is full or the file is locked.
    """
    draft, letter = ready.draft, ready.submission
    with spool.writing() as conn:
        if desk_letters.is_known(conn, draft.id):
            return
        as_seen(conn, SeenDraft(draft.id, draft.version), by.units)
        is_secret = letter.secrecy.is_secret
        require_theirs(conn, letter.issuer, ready.answers, by.units, secret=is_secret)
        files = drafts.files(conn, draft.pos)
        _require_kept(spool.path.parent / DIRECTORY_NAME, files)
        entry_pos = _entered(conn, ready, by)
        document = _taken(draft.id, letter, [SendingFile(file.name, file.sha256, file.size) for file in files])
        saying = DeskSaying(
            *(by.card.login, by.card.full_name, by.card.department),
            entry_pos=entry_pos,
            answers=ready.answers or None,
            completes=ready.completes,
        )
        _hand_over(conn, document, saying)
        drafts.drop(conn, draft.pos)
        told = by.noted(JournalAct.SENT, letter.issuer, letter.notation, letter.subject, secret=is_secret)
        journal.record(conn, told)


def recall(spool: Spool, outgoing_id: str, recall_id: str, reason: str, by: Acting) -> str:
    """Call a document back from everybody who got it; the recall's id, of the first one when there was one already.

    Args:
        spool: an open spool.
        outgoing_id: the document.
        recall_id: of the recall, made with its form: a second click is the same.
        reason: told to everybody.
        by: who does it, at which units.

    Raises:
        UnknownDraftError: nothing was sent as this at a unit of the person.
        TransitionError: the router has not accepted it yet, or it is a recall itself.
        InvalidError: there is no reason, or it is too long.
        SpoolUnavailableError: the disk is full or the file is locked.
    """
    with spool.writing() as conn:
        letter = desk_letters.get(conn, outgoing_id, by.units)
        if desk_letters.is_known(conn, recall_id):
            return recall_id
        before = recall_chain(conn, letter)
        submission = _recall_of(conn, letter, reason, before)
        running = [one for one in before if one.stage is not Stage.REJECTED]
        if running:
            return running[0].document.id
        document = _taken(recall_id, submission, [])
        saying = DeskSaying(by.card.login, by.card.full_name, by.card.department, recalls=letter.document.dispatch_id)
        _hand_over(conn, document, saying)
        notation, is_secret = letter.document.notation, letter.document.secret
        journal.record(conn, by.noted(JournalAct.SENT_RECALL, submission.issuer, notation, reason, secret=is_secret))
        return recall_id


def recall_chain(conn: Connection, letter: OutgoingLetter) -> list[OutgoingLetter]:
    """The recalls of a document that were sent here, the newest first."""
    dispatch_id = letter.document.dispatch_id
    return desk_letters.recalls_of(conn, dispatch_id) if dispatch_id else []


def write_form(conn: Connection, form: LetterForm, by: Acting) -> None:
    """Keep how a unit writes its letters.

    Raises:
        InvalidError: its pattern does not say where the number stands.
    """
    letter_forms.write(conn, form)
    journal.record(conn, by.noted(JournalAct.LETTER_FORM_WRITTEN, form.unit, form.notation))


def _entered(conn: Connection, ready: ReadyLetter, by: Acting) -> int | None:
    """The place of the letter's entry in the outgoing book; written now, or put right where it has one already."""
    if ready.entry is None:
        return None
    author = EntryAuthor(by.card.full_name, by.at, by.card.department)
    before = desk_letters.get(conn, ready.draft.mends, by.units) if ready.draft.mends else None
    if before is not None and before.number is not None and before.year is not None and before.saying is not None:
        if before.document.issuer != ready.submission.issuer:
            problem = FieldProblem("issuer", f"has to be {before.document.issuer}, whose number the letter has")
            raise InvalidError("letter", [problem])
        key = BookKey(before.document.issuer, BookKind.OUTGOING, before.year, before.book)
        _put_right(conn, key, before.number, ready.entry, replace(author, reason="Gửi lại sau khi bị từ chối"))
        return before.saying.entry_pos
    key = outgoing_book(ready.submission.issuer, ready.entry.day.year, secret=ready.entry.secrecy.is_secret)
    given = books.enter(conn, key, ready.entry, author, number=ready.number)
    return book_entries.place_of(conn, key, given)


def outgoing_book(unit: str, year: int, *, secret: bool) -> BookKey:
    """The book of a year that a letter is entered in: state secrets have one of their own."""
    return BookKey(unit, BookKind.OUTGOING, year, SECRET_BOOK if secret else "")


def _put_right(conn: Connection, key: BookKey, number: int, fields: RegisterFields, author: EntryAuthor) -> None:
    entry = book_entries.get_entry(conn, key, number)
    if entry.fields != fields:
        books.correct(conn, key, number, fields, author, version=entry.versions[-1].version)


def _taken(document_id: str, letter: Submission, files: Sequence[SendingFile]) -> TakenDocument:
    return TakenDocument(
        id=document_id,
        name=letter.subject[:_NAME_LENGTH],
        issuer=letter.issuer,
        notation=letter.notation,
        subject=letter.subject,
        urgency=int(letter.urgency),
        body=letter.model_dump_json(exclude_defaults=True).encode(),
        files=tuple(files),
        secret=letter.secrecy.is_secret,
    )


def _hand_over(conn: Connection, document: TakenDocument, saying: DeskSaying) -> None:
    sending.take(conn, [document])
    desk_letters.add(conn, document.id, saying)


def _recall_of(conn: Connection, letter: OutgoingLetter, reason: str, before: Sequence[OutgoingLetter]) -> Submission:
    dispatch_id = letter.document.dispatch_id
    if not reason:
        raise InvalidError("recall", [FieldProblem("reason", "is missing; everybody who got the document reads it")])
    if letter.stage is not Stage.ACCEPTED or dispatch_id is None:
        raise TransitionError(f"{letter.document.notation} is {letter.stage.value}; nobody has it yet")
    sent = parse(Submission, desk_letters.body_of(conn, letter.document.id), what="submission")
    if not is_recallable(sent.kind):
        raise TransitionError(f"{letter.document.notation} {NOT_RECALLED}")
    # The desk does not know its account's limits: after a refusal it is as urgent as what the router took from it.
    most = int(sent.urgency if before else Urgency.EXPRESS)
    return recall_of(dispatch_id, sent, reason=reason, max_urgency=most)


def _require_kept(contents: Path, files: Sequence[DraftFile]) -> None:
    gone = [file.name for file in files if not (contents / file.sha256).is_file()]
    if gone:
        raise ContentNotKeptError(f"{', '.join(gone)} is not on the disk any more; take it out and add it again")
