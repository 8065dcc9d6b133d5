"""Says every error as a problem document (RFC 9457, ``application/problem+json``), whatever raised it."""

from collections.abc import Mapping, Sequence
from functools import partial
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Route

from router.errors import (
    AllowanceError,
    MachineTroubleError,
    OffsetConflictError,
    RouterError,
    UnauthorizedError,
    UnavailableError,
)
from router.problem import Problem, problem, problem_of
from schemas.errors import FieldProblem, InvalidError
from schemas.model import problems_among

MEDIA_TYPE = "application/problem+json"


class Invalid:
    """The kind of problem that names each field which is not as its schema says."""

    status, slug, title = 422, "invalid", "What was sent is not valid"


def install(app: FastAPI, routes: Sequence[Route]) -> None:
    """Have the app answer every error it knows as a problem.

    Args:
        app: the application.
        routes: all of its routes: on 405, those of the path give what would be allowed.
    """
    app.exception_handler(RouterError)(_answer_router_error)
    app.exception_handler(InvalidError)(_answer_invalid)
    app.exception_handler(RequestValidationError)(_answer_parameters)
    app.exception_handler(HTTPException)(_answer_http)
    app.exception_handler(405)(partial(_answer_not_allowed, routes))


def answer(told: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """The response that carries a problem."""
    body = told.model_dump_json(exclude_defaults=True)
    return Response(body, status_code=told.status, media_type=MEDIA_TYPE, headers=headers)


def internal() -> Response:
    """The answer to an error of ours: it says nothing of the inside, the log has it."""
    detail = "the error is in the router's log"
    return answer(problem(RouterError.status, RouterError.slug, RouterError.title, detail=detail))


def unavailable() -> Response:
    """The answer to a failure of this machine that may pass, as when it has no descriptors left."""
    error = MachineTroubleError("the router's machine is in trouble; the error is in its log")
    return answer(problem_of(error), {"Retry-After": str(error.retry_after)})


async def _answer_router_error(request: Request, error: RouterError) -> Response:
    return answer(problem_of(error, path=request.url.path), _headers_of(request, error))


def _headers_of(request: Request, error: RouterError) -> dict[str, str]:
    if isinstance(error, UnauthorizedError):
        # RFC 6750, section 3: the error code only when a token was sent.
        told = ', error="invalid_token"' if "authorization" in request.headers else ""
        return {"WWW-Authenticate": f'Bearer realm="congvan"{told}'}
    if isinstance(error, UnavailableError):
        return {"Retry-After": str(error.retry_after)}
    if isinstance(error, AllowanceError):
        return {"Retry-After": str(error.seconds)}
    if isinstance(error, OffsetConflictError) and error.offset is not None:
        return {"Upload-Offset": str(error.offset)}
    return {}


async def _answer_invalid(request: Request, error: InvalidError) -> Response:
    return _invalid(request, f"the {error.what} is not valid", error.problems)


async def _answer_parameters(request: Request, error: RequestValidationError) -> Response:
    told = [{**item, "loc": item["loc"][1:] or item["loc"]} for item in error.errors()]
    return _invalid(request, "the request's parameters are not valid", problems_among(told))


def _invalid(request: Request, detail: str, problems: Sequence[FieldProblem]) -> Response:
    path = request.url.path
    told = problem(Invalid.status, Invalid.slug, Invalid.title, detail=detail, path=path, problems=problems)
    return answer(told)


async def _answer_http(request: Request, error: HTTPException) -> Response:
    phrase = HTTPStatus(error.status_code).phrase
    slug = phrase.lower().replace(" ", "-")
    detail = "" if error.detail == phrase else error.detail
    return answer(problem(error.status_code, slug, phrase, detail=detail, path=request.url.path), error.headers)


async def _answer_not_allowed(routes: Sequence[Route], request: Request, error: HTTPException) -> Response:
    """Starlette's own Allow header knows the methods of one route only, and a path here may have several."""
    fitting = (route for route in routes if route.path_regex.match(request.url.path))
    methods = sorted({method for route in fitting for method in route.methods or ()})
    detail = f"{request.method} is not allowed here; {', '.join(methods)} would be"
    told = problem(405, "method-not-allowed", error.detail, detail=detail, path=request.url.path)
    return answer(told, {"Allow": ", ".join(methods)})
