"""An error as a problem document (RFC 9457): the same words whether it is answered over HTTP or AMQP."""

from collections.abc import Sequence

from pydantic import BaseModel

from router.errors import RouterError
from schemas.errors import FieldProblem, capped

_MAX_DETAIL = 2000
"""Characters: a sentence that names a thousand rules helps nobody."""
TYPE_PREFIX = "urn:congvan:problem:"


class ProblemField(BaseModel):
    """One field that is wrong."""

    field: str
    """Its dotted place in the body, or the parameter's name."""
    problem: str
    """What is wrong with it."""
    given: str = ""
    """What was sent, cut short."""


class Problem(BaseModel):
    """What went wrong (RFC 9457), with what to do about it and each field that is wrong."""

    type: str = "about:blank"
    """Names its kind, `urn:congvan:problem:…`; see the catalogue of each operation's answers."""
    title: str
    """The kind in a few words."""
    status: int
    """The HTTP status."""
    detail: str = ""
    """What happened, and to which id."""
    instance: str = ""
    """The request's path."""
    hint: str = ""
    """What to do."""
    errors: list[ProblemField] = []
    """Each field that is wrong."""


def problem(
    status: int,
    slug: str,
    title: str,
    *,
    detail: str,
    hint: str = "",
    path: str = "",
    problems: Sequence[FieldProblem] = (),
) -> Problem:
    """A problem of our own types; ``path`` is the request's."""
    return Problem(
        type=f"{TYPE_PREFIX}{slug}",
        title=title,
        status=status,
        detail=detail if len(detail) <= _MAX_DETAIL else f"{detail[: _MAX_DETAIL - 1]}…",
        instance=path,
        hint=hint,
        errors=[ProblemField(field=item.field, problem=item.problem, given=item.given) for item in capped(problems)],
    )


def problem_of(error: RouterError, *, path: str = "") -> Problem:
    """The problem that a router's error is."""
    return problem(
        error.status,
        error.slug,
        error.title,
        detail=error.detail,
        hint=error.hint,
        path=path,
        problems=error.problems,
    )
