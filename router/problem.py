"""An error as a problem document (RFC 9457): the same words whether it is answered over HTTP or AMQP."""

from collections.abc import Sequence

from pydantic import BaseModel

from router.errors import RouterError
from schemas.errors import FieldProblem, capped

TYPE_PREFIX = "urn:congvan:problem:"


class ProblemField(BaseModel):
    """One field that is wrong."""

    field: str
    """Its dotted place in the body, or the parameter's name."""
    problem: str
    given: str = ""


class Problem(BaseModel):
    """What went wrong (RFC 9457), with what to do about it and each field that is wrong."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    instance: str = ""
    hint: str = ""
    errors: list[ProblemField] = []


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
        detail=detail,
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
