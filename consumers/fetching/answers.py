"""What an HTTP answer means for a document on its way, by its status and by whose answer it is.

Only the router's own answers count. What a captive portal or a proxy says instead, whatever its status, is trouble of
the line: never content, never that something is gone, never a refusal. The router says of its errors that they are
problem documents (RFC 9457), names what it sends by an ETag, and redirects nobody.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from http import HTTPStatus

PROBLEM = "application/problem+json"
_SHOWN = 60


class Meaning(StrEnum):
    """What an answer means."""

    DONE = "done"
    """It is what was asked for."""
    FOREIGN = "foreign"
    """It is not the router's: somebody else stands in the line."""
    LATER = "later"
    """The router cannot do it now; or it says something that is not known to last."""
    FINAL = "final"
    """The router says that it will never do it as it is."""


GONE = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
"""Final for a content that is fetched: there is no such content for us."""
REFUSED = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""Final for a document that is sent. 404 to 415 mean a router of another version or a swept upload."""


def meaning(status: int, *, ours: bool, final: Collection[int]) -> Meaning:
    """Decide.

    Args:
        status: of the answer.
        ours: whether it is the router's, as far as its headers show.
        final: the statuses by which the router ends what was asked for.
    """
    if not ours or status < HTTPStatus.OK or HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Meaning.FOREIGN
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return Meaning.DONE
    return Meaning.FINAL if status in final else Meaning.LATER


def is_problem(headers: Mapping[str, str]) -> bool:
    """Whether an answer is a problem document, as all errors of the router are."""
    return headers.get("Content-Type", "").partition(";")[0].strip().lower() == PROBLEM


def foreign(status: int, headers: Mapping[str, str]) -> str:
    """The sentence for people about an answer that is not the router's."""
    kind = headers.get("Content-Type", "").partition(";")[0].strip()[:_SHOWN]
    place = headers.get("Location", "")[:_SHOWN]
    told = ", ".join(filter(None, (kind, place and f"to {place}")))
    return (
        f"something else than the router answered: {status}{f' ({told})' if told else ''}; "
        "a login page or a proxy stands in the line"
    )
