"""A letter as a page's form has it: each field as it was typed, and what that is as a submission.

A program's page reads the form (:mod:`router.pages.brought`), shows it again with :class:`TypedLetter`, and has
:meth:`TypedLetter.submission` say what is wrong field by field; the words are those of :mod:`router.pages.faults`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, tzinfo
from typing import Any, Self

import orjson

from router.pages.brought import Fields
from router.pages.faults import Fault, Say, fault_of
from schemas.attachment import Attachment
from schemas.dispatch import Kind, Submission, Urgency
from schemas.errors import FieldProblem, InvalidError
from schemas.ids import is_id, new_id
from schemas.model import parse

_NO_RECALL = "a recall is asked for on the page of the document that it recalls"
WHOLE = ""
"""Under which stands what is wrong with the letter as a whole."""
_BETWEEN_RULES = re.compile(r"[\s,;]+")
_SEVERAL = frozenset({"addressees", "refers_to"})
_NUMBERS = frozenset({"number", "urgency"})


@dataclass(frozen=True, slots=True)
class TypedLetter:
    """What stands in each field of the form, by the names of a submission's fields.

    ``once`` is the idempotency key: made with the empty form and the same for ever, so that a second click or a
    repetition after a lost answer is the same dispatch.
    """

    once: str
    issuer: str = ""
    kind: str = Kind.NEW.value
    number: str = ""
    notation: str = ""
    type: str = ""
    subject: str = ""
    signer: str = ""
    place: str = ""
    issued_on: str = ""
    urgency: str = str(int(Urgency.NORMAL))
    secrecy: str = ""
    due: str = ""
    """As ``<input type="datetime-local">`` has it, in the installation's time."""
    flash_text: str = ""
    refers_to: tuple[str, ...] = ()
    addressees: tuple[str, ...] = ()

    @classmethod
    def begun(cls, **known: Any) -> Self:
        """An empty form, but for what is known."""
        return cls(once=new_id(), **known)

    @classmethod
    def of(cls, form: Fields) -> Self:
        """What a form brought. Each rule, and each id, stands by itself there or several stand in one field."""
        found: dict[str, Any] = {}
        for item in fields(cls):
            values = form.get(item.name, ())
            if item.name in _SEVERAL:
                found[item.name] = _divided(values)
            elif values:
                found[item.name] = values[-1].strip()
        if not is_id(found.get("once", "")):
            found["once"] = new_id()
        return cls(**found)

    def submission(self, files: Sequence[Attachment], zone: tzinfo) -> Submission:
        """The letter as it is handed in.

        Args:
            files: its attachments, kept already.
            zone: of the times that were typed.

        Raises:
            InvalidError: with each field that is wrong.
        """
        written = {**self._written(zone), "attachments": [file.model_dump() for file in files]}
        submission = parse(Submission, orjson.dumps(written), what="submission")
        if submission.kind is Kind.RECALL:
            raise InvalidError("submission", [FieldProblem("kind", _NO_RECALL, submission.kind.value)])
        return submission

    def _written(self, zone: tzinfo) -> dict[str, Any]:
        """The fields that are not empty, numbers and times as a submission writes them where they are any."""
        texts = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "once"}
        found: dict[str, Any] = {name: value for name, value in texts.items() if value}
        for name in _NUMBERS & found.keys():
            if found[name].isascii() and found[name].isdecimal():
                found[name] = int(found[name][:18])
        if "due" in found:
            found["due"] = _moment(found["due"], zone)
        return found


def faults_by_field(problems: Sequence[FieldProblem], say: Say) -> Mapping[str, Sequence[Fault]]:
    """What is wrong, in the words of the page, under the names of the form's fields.

    What belongs to no field of the form, such as a rule between two, stands under :data:`WHOLE`.
    """
    names = {item.name for item in fields(TypedLetter)} | {"attachments"}
    found: dict[str, list[Fault]] = {}
    for problem in problems:
        name = "attachments" if problem.field.startswith("part ") else problem.field.partition(".")[0]
        found.setdefault(name if name in names else WHOLE, []).append(fault_of(problem, say))
    return found


def _divided(values: Sequence[str]) -> tuple[str, ...]:
    parts = (part for value in values for part in _BETWEEN_RULES.split(value))
    return tuple(dict.fromkeys(part for part in parts if part))


def _moment(text: str, zone: tzinfo) -> str:
    """With its seconds and offset; what is no time stays as it is, and the submission's check says so."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone).isoformat(timespec="seconds")
    except (ValueError, OverflowError):
        return text
