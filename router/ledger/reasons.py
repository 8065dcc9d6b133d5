"""What reasons that machines tell mean: a table from their texts to a few causes, for grouping and for words.

A machine's reason is a sentence in English with addresses and paths in it, so no two units tell the same one. Its cause
is the first in the table of whose marks one stands in it; what has none is :attr:`Cause.OTHER` and stays as told.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from sqlalchemy import ColumnElement, and_, case, false, literal, not_, or_


class Cause(StrEnum):
    """Why something did not get there."""

    DISK_FULL = "disk-full"
    NOT_WRITABLE = "not-writable"
    LOGIN = "login"
    REDIRECTED = "redirected"
    UNREACHABLE = "unreachable"
    WRONG_CONTENT = "wrong-content"
    CONTENT_GONE = "content-gone"
    TOO_LARGE = "too-large"
    CERTIFICATE = "certificate"
    GATEWAY_ERROR = "gateway-error"
    PROGRAM = "program"
    REFUSED = "refused-by-system"
    SYSTEM_ERROR = "system-error"
    EXPIRED = "too-late"
    OTHER = "other"


MARKS: Mapping[Cause, tuple[str, ...]] = MappingProxyType(
    {
        Cause.DISK_FULL: ("disk is full", "no space left", "disk took no more", "HTTP 507", "disk quota"),
        Cause.NOT_WRITABLE: ("permission denied", "read-only file system", "cannot be written", "cannot be read"),
        Cause.LOGIN: ("HTTP 401", "HTTP 403"),
        Cause.REDIRECTED: ("redirects are not followed",),
        Cause.UNREACHABLE: ("cannot be reached", "did not answer within", "HTTP 502", "HTTP 503", "HTTP 504"),
        Cause.WRONG_CONTENT: ("is longer than the", "is not the full descriptor", "other bytes"),
        Cause.CONTENT_GONE: ("HTTP 404", "HTTP 410"),
        Cause.TOO_LARGE: ("HTTP 413", "max_document_bytes", "larger than"),
        Cause.CERTIFICATE: ("no trust in the server",),
        Cause.GATEWAY_ERROR: ("an error of its own", "in a way it should not"),
        Cause.PROGRAM: ("cannot be run", "did not end within", "exit code", "was killed"),
        Cause.REFUSED: ("HTTP 4",),
        Cause.SYSTEM_ERROR: ("HTTP 5",),
        Cause.EXPIRED: ("had not arrived",),
    }
)
"""Marks in lower or upper case, the surest first."""


def cause_of(reason: str) -> Cause:
    """The cause of a reason."""
    text = reason.lower()
    return next((cause for cause, marks in MARKS.items() if any(mark.lower() in text for mark in marks)), Cause.OTHER)


def is_cause(reason: ColumnElement[str], cause: Cause) -> ColumnElement[bool]:
    """:func:`cause_of` asked of a column."""
    before: list[ColumnElement[bool]] = []
    for other in MARKS:
        if other is cause:
            return and_(_is_marked(reason, cause), *map(not_, before))
        before.append(_is_marked(reason, other))
    return and_(*map(not_, before))


def cause_column(reason: ColumnElement[str]) -> ColumnElement[str]:
    """The cause of a column of reasons."""
    whens = [(_is_marked(reason, cause), literal(cause.value)) for cause in MARKS]
    return case(*whens, else_=literal(Cause.OTHER.value))


def told_apart(reason: ColumnElement[str]) -> ColumnElement[str]:
    """A reason as it tells groups apart beside its cause: empty where the cause says all."""
    return case((is_cause(reason, Cause.OTHER), reason), else_=literal(""))


def _is_marked(reason: ColumnElement[str], cause: Cause) -> ColumnElement[bool]:
    return or_(false(), *(reason.icontains(mark, autoescape=True) for mark in MARKS[cause]))
