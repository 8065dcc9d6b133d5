"""A dispatch (văn bản): what an upstream system submits, and what was accepted.

Fields and numbering follow the electronic-document standard QCVN 102:2016 ("edXML") as its public samples show it.
"""

from collections import Counter
from collections.abc import Iterable
from enum import IntEnum, StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from schemas.attachment import Attachment, Listed
from schemas.clock import Day, Moment
from schemas.codes import UnitCode
from schemas.ids import Id
from schemas.model import Travelling
from schemas.text import Name, Notation, OneLine, Paragraphs

MAX_FLASH_BYTES = 2048
MAX_SUBJECT = 500
"""Characters."""
MAX_ATTACHMENTS = 50
MAX_RULES = 1000
UNNUMBERED = "(không số)"
"""The notation of a letter that was given none."""


class Kind(StrEnum):
    """What a dispatch does; edXML numbers them 0 to 3 in this order."""

    NEW = "new"
    RECALL = "recall"
    UPDATE = "update"
    REPLACE = "replace"


class Urgency(IntEnum):
    """thường, khẩn, thượng khẩn, hỏa tốc, hỏa tốc hẹn giờ."""

    NORMAL = 0
    URGENT = 1
    VERY_URGENT = 2
    EXPRESS = 3
    EXPRESS_TIMED = 4


class Secrecy(StrEnum):
    """thường, mật, tối mật, tuyệt mật. All but the first need a deployment that enables them."""

    NONE = "none"
    CONFIDENTIAL = "confidential"
    SECRET = "secret"  # noqa: S105 - a degree of secrecy, not a password
    TOP_SECRET = "top_secret"  # noqa: S105 - as above

    @property
    def is_secret(self) -> bool:
        """Whether it is a state secret, of whatever degree."""
        return self is not Secrecy.NONE


class Lane(StrEnum):
    """The two queues of a unit."""

    EXPRESS = "express"
    NORMAL = "normal"


_LANES = tuple(Lane.EXPRESS if urgency >= Urgency.VERY_URGENT else Lane.NORMAL for urgency in Urgency)


def lane_of(urgency: int) -> Lane:
    """Thượng khẩn and above travel express."""
    return _LANES[urgency]


def _no_truth(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("has to be a number from 0 to 4, not true or false")  # noqa: TRY004 - pydantic's own error
    return value


def _within_flash(text: str) -> str:
    size = len(text.encode())
    if size > MAX_FLASH_BYTES:
        raise ValueError(f"is {size} bytes of UTF-8; at most {MAX_FLASH_BYTES} can travel ahead of the content")
    return text


def _require_distinct(files: Iterable[Attachment | Listed]) -> None:
    twice = [name for name, count in Counter(item.name for item in files).items() if count > 1]
    if twice:
        raise ValueError(f"two attachments have the same name: {', '.join(sorted(twice))}; rename one")


class Letter(Travelling):
    """The fields a dispatch has from its writing to its filing, without addressees and attachments."""

    kind: Kind = Kind.NEW
    """What it does: a document of its own, or one that recalls, updates or replaces others."""
    number: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """The running number of the issuer's register, when it has one."""
    notation: Notation
    """The number as printed: ``123-CV/TU`` (Party) or ``123/UBND-VP`` (State)."""
    type: Name = "công văn"
    """Tên loại, in the words of the issuer: công văn, quyết định, giấy mời …"""
    subject: Annotated[OneLine, Field(min_length=1, max_length=MAX_SUBJECT)]
    """Trích yếu."""
    issuer: UnitCode
    """The code of the unit that issues it."""
    signer: Annotated[OneLine, Field(max_length=200)] = ""
    """Who signed it."""
    place: Annotated[OneLine, Field(max_length=200)] = ""
    """Where it was issued (địa danh)."""
    issued_on: Day | None = None
    """The day it bears."""
    urgency: Annotated[Urgency, BeforeValidator(_no_truth)] = Urgency.NORMAL
    """0 thường, 1 khẩn, 2 thượng khẩn, 3 hỏa tốc, 4 hỏa tốc hẹn giờ (with `due`)."""
    secrecy: Secrecy = Secrecy.NONE
    """All but `none` need a deployment that takes classified dispatches."""
    due: Moment | None = None
    """The deadline for the answer."""
    refers_to: Annotated[tuple[Id, ...], Field(max_length=20)] = ()
    """The ids of the dispatches that it answers, recalls, updates or replaces."""
    flash_text: Annotated[Paragraphs, AfterValidator(_within_flash)] = ""
    """Up to 2,048 bytes that are readable before any attachment has arrived."""


def subject_on(act: str, letter: Letter) -> str:
    """The subject of a letter about another: ``Thu hồi văn bản số 123-CV/TU: Về việc họp``, cut to its length."""
    number = "" if letter.notation == UNNUMBERED else f" số {letter.notation}"
    return f"{act} văn bản{number}: {letter.subject}"[:MAX_SUBJECT]


class Submission(Letter):
    """What an upstream system hands in. Attachments are named by hash; their bytes come first or together with it."""

    addressees: Annotated[tuple[Annotated[str, Field(max_length=200)], ...], Field(min_length=1, max_length=MAX_RULES)]
    """Addressing rules: `LCA.02.05`, `LCA.02.#`, `LCA.02.*`, `LCA.#{commune}`, and `!` before what is left out."""
    attachments: Annotated[tuple[Attachment, ...], Field(max_length=MAX_ATTACHMENTS)] = ()
    """Its files in their order, each under a name of its own."""

    @model_validator(mode="after")
    def _fields_agree(self) -> "Submission":
        if self.urgency is Urgency.EXPRESS_TIMED and self.due is None:
            raise ValueError("urgency 4 (hỏa tốc hẹn giờ) needs `due`, the time it must be there")
        if self.kind is not Kind.NEW and not self.refers_to:
            raise ValueError(f"kind {self.kind.value!r} needs `refers_to`, the dispatch it changes")
        _require_distinct(self.attachments)
        return self


class Listing(Travelling):
    """The attachments of a letter whose files come beside it."""

    attachments: Annotated[tuple[Listed, ...], Field(max_length=MAX_ATTACHMENTS)] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> "Listing":
        _require_distinct(self.attachments)
        return self


class Accepted(Travelling):
    """The answer to a submission: the dispatch's id, how many units it goes to, and whether it was known already."""

    id: Id
    """Of the dispatch, from now on."""
    addressees: Annotated[int, Field(ge=0)]
    """How many units it goes to."""
    duplicate: bool
    """It was accepted before, under the same key."""
    status: Literal["accepted"] = "accepted"
    """Always so; a refusal is a problem."""
