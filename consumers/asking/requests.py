"""How each kind of question is asked: the request of the router's web API."""

from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from consumers.spool.questions import OpenQuestion, QuestionKind

MOST_PLANNED = 30
"""Units of a plan that are told one by one: the last ones, for whom a person may want to do something."""
MOST_TRACKED = 100
"""Addressees of one page of a track."""
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class RouterRequest:
    """One request: its method, its path with the query below the router's address, its own headers, its body."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


def request_of(question: OpenQuestion) -> RouterRequest:
    """The request for a question; what has not changed since its ETag is not sent again."""
    known = {"If-None-Match": question.etag} if question.etag else {}
    match question.kind:
        case QuestionKind.LEVEL:
            below, _, after = question.subject.partition(">")
            return RouterRequest("GET", _address("/api/v1/directory", below=below, after=after), known)
        case QuestionKind.SEARCH:
            words, _, after = question.subject.partition(">")
            return RouterRequest("GET", _address("/api/v1/directory", find=words, after=after), known)
        case QuestionKind.PLAN:
            _, _, more = question.subject.partition(">")
            path = _address("/api/v1/dispatches/plan", more_bytes=more, most_units=MOST_PLANNED)
            return RouterRequest("POST", path, _JSON, question.body)
        case QuestionKind.TRACK:
            dispatch, _, after = question.subject.partition(">")
            path = _address(f"/api/v1/dispatches/{quote(dispatch)}", after=after, limit=MOST_TRACKED)
            return RouterRequest("GET", path)


def _address(path: str, **given: str | int) -> str:
    """The path with what is given of a query."""
    query = urlencode({name: value for name, value in given.items() if value})
    return f"{path}?{query}" if query else path
