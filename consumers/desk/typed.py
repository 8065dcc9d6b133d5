"""A document as somebody writes it at the desk: the letter as it was typed, and what the desk wants to know besides."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, tzinfo
from typing import Any, Self

import orjson

from consumers.desk.fields import fields_of
from consumers.reading.dispatching import outgoing_book
from consumers.spool.book_entries import BookKey
from consumers.spool.desk_letters import DeskSaying
from consumers.spool.drafts import Draft, DraftFile, DraftWords
from consumers.spool.letter_forms import LetterForm
from router.pages.letters import TypedLetter
from schemas.attachment import Attachment
from schemas.clock import Day
from schemas.dispatch import UNNUMBERED, Secrecy, Submission
from schemas.ids import new_id
from schemas.register import RegisterFields

_MOST_RECIPIENTS, _MOST_NOTATION = 500, 100


@dataclass(frozen=True, slots=True)
class TypedDraft(TypedLetter):
    """What stands in the fields.

    ``answers`` is the delivery that it answers, ``completes`` says that this is done when the letter is accepted,
    ``keeper`` and ``copies`` are columns of the outgoing book.
    """

    answers: str = ""
    completes: str = ""
    keeper: str = ""
    copies: str = ""

    @property
    def is_secret(self) -> bool:
        """Whether it is to be a state secret; a degree that is none is taken to be one."""
        return self.secrecy not in {"", Secrecy.NONE.value}

    @classmethod
    def of_draft(cls, draft: Draft) -> Self:
        """As it was saved; a field that this program does not know is left out."""
        known = {item.name for item in fields(cls)}
        saved: dict[str, Any] = {
            name: value for name, value in orjson.loads(draft.words.fields).items() if name in known
        }
        several = {name: tuple(value) for name, value in saved.items() if isinstance(value, list)}
        return cls(**{**saved, **several, "once": draft.id})

    @classmethod
    def of_sent(
        cls, sent: Submission, saying: DeskSaying | None, entry: RegisterFields | None, number: int | None, zone: tzinfo
    ) -> Self:
        """As a letter that was sent would be typed, under an id of its own.

        Args:
            sent: the letter.
            saying: what the desk knows of it.
            entry: what the outgoing book has of it, under ``number``.
            number: None: it has none.
            zone: of the times that are typed.
        """
        due = "" if sent.due is None else f"{sent.due.astimezone(zone):%Y-%m-%dT%H:%M}"
        return cls(
            once=new_id(),
            issuer=sent.issuer,
            kind=sent.kind.value,
            number="" if number is None else str(number),
            notation=sent.notation,
            type=sent.type,
            subject=sent.subject,
            signer=sent.signer,
            place=sent.place,
            issued_on="" if sent.issued_on is None else sent.issued_on.isoformat(),
            urgency=str(int(sent.urgency)),
            secrecy=sent.secrecy.value,
            due=due,
            flash_text=sent.flash_text,
            refers_to=sent.refers_to,
            addressees=sent.addressees,
            answers=(saying and saying.answers) or "",
            completes="true" if saying and saying.completes else "",
            keeper=entry.keeper if entry else "",
            copies=str(entry.copies or "") if entry else "",
        )

    def submission(self, files: Sequence[Attachment], zone: tzinfo) -> Submission:
        """The letter as it is handed in. Arguments and errors as of a typed letter."""
        letter = TypedLetter(**{item.name: getattr(self, item.name) for item in fields(TypedLetter)})
        return letter.submission(files, zone)

    def words(self) -> DraftWords:
        """What the spool keeps of it."""
        said = {name: value for name, value in asdict(self).items() if value and name != "once"}
        told = self.issuer, self.notation[:200], self.subject[:500], orjson.dumps(said).decode()
        return DraftWords(*told, answers=self.answers, secret=self.is_secret)

    def year(self, today: date) -> int:
        """Of the outgoing book that it is entered in: of the day that it bears."""
        try:
            return date.fromisoformat(self.issued_on).year
        except ValueError:
            return today.year

    def book(self, today: date) -> BookKey:
        """The outgoing book that it is entered in."""
        return outgoing_book(self.issuer, self.year(today), secret=self.is_secret)

    def numbered(self, form: LetterForm, number: int) -> Self:
        """With a number, and the notation that follows from it."""
        return replace(self, number=str(number), notation=form.notation_of(number))

    def to_plan(self, zone: tzinfo) -> Submission:
        """The letter as it is planned: what it lacks of its own words is no matter.

        Raises:
            InvalidError: with each field that is wrong.
        """
        notation, subject = self.notation or UNNUMBERED, self.subject or UNNUMBERED
        return replace(self, notation=notation, subject=subject, number="").submission((), zone)


def attachments_of(files: Sequence[DraftFile]) -> list[Attachment]:
    """The files of a draft, as a letter names them."""
    return [
        Attachment(name=file.name, media_type=file.media_type, size=file.size, sha256=file.sha256) for file in files
    ]


def entry_of(letter: Submission, typed: TypedDraft, names: Mapping[str, str], today: Day) -> RegisterFields:
    """What is entered in the outgoing book, in its columns: it leaves the day that it is sent.

    Raises:
        InvalidError: keeper or copies cannot be read.
    """
    return fields_of(
        day=letter.issued_on or today,
        author=names.get(letter.issuer, letter.issuer)[:200],
        notation=letter.notation[:_MOST_NOTATION],
        issued_on=letter.issued_on or today,
        type=letter.type,
        subject=letter.subject,
        signer=letter.signer,
        urgency=letter.urgency,
        secrecy=letter.secrecy,
        recipients=recipients_of(letter.addressees, names),
        keeper=typed.keeper,
        copies=typed.copies,
        passed_on=today,
    )


def recipients_of(rules: Sequence[str], names: Mapping[str, str]) -> str:
    """Nơi nhận: the addressees of a letter as the book names them, in its language."""
    told = "; ".join(_words_of(rule, names) for rule in rules)
    return told if len(told) <= _MOST_RECIPIENTS else f"{told[: _MOST_RECIPIENTS - 1]}…"


def heads_of(rules: Collection[str]) -> set[str]:
    """The units that rules name."""
    return {_head(rule) for rule in rules}


def _words_of(rule: str, names: Mapping[str, str]) -> str:
    head = _head(rule)
    name = names.get(head, head)
    reach = rule.lstrip("!").removeprefix(head).lstrip(".")
    if reach == "*":
        name = f"các đơn vị trực thuộc {name}"
    elif reach == "#":
        name = f"{name} và các đơn vị trực thuộc"
    elif reach:
        name = f"{name} ({rule.lstrip('!')})"
    return f"trừ {name}" if rule.startswith("!") else name


def _head(rule: str) -> str:
    return rule.lstrip("!").split(".#", 1)[0].split(".*", 1)[0]
