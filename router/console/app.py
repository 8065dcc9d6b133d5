"""Puts the console together: its pages, its static files, and its own way to say an error."""

from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from router.api.services import Services
from router.console import (
    audit,
    certificate,
    deliveries,
    documents,
    help,  # noqa: A004 - a page is called so
    lines,
    live,
    log,
    login,
    overview,
    provider_login,
    redrives,
    search,
    statistics,
    stuck,
    unit,
    unit_acts,
    unit_retire,
    units,
)
from router.console.errors import LoginNeededError
from router.console.login import way_to_login
from router.console.newsroom import Newsroom
from router.console.pages import ROOT, STATIC, page, version
from router.console.safety import Safety
from router.errors import RouterError, UnavailableError

__all__ = ["PARTS", "ROOT", "create_console", "to_console"]
PARTS = (
    *(
        login,
        provider_login,
        overview,
        log,
        live,
        deliveries,
        certificate,
        documents,
        units,
        unit_acts,
        unit_retire,
        unit,
        lines,
    ),
    *(stuck, redrives, statistics, search, audit, help),
)
_SEE_OTHER = 303


class _Static(StaticFiles):
    """Static files, which browsers keep when they were asked for by their version."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        named = f"v={version()}".encode() == scope["query_string"]
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if named else "no-cache"
        return response


def create_console(services: Services) -> FastAPI:
    """The console over the router's parts; it owns none of them."""
    app = FastAPI(title="congvan console", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.services = services
    app.state.newsroom = Newsroom(services)
    for part in PARTS:
        app.include_router(part.router)
    app.mount("/static", _Static(directory=STATIC), name="static")
    app.exception_handler(LoginNeededError)(_lead_to_login)
    app.exception_handler(RouterError)(_tell_error)
    app.exception_handler(RequestValidationError)(_tell_parameters)
    app.exception_handler(HTTPException)(_tell_http)
    app.add_middleware(Safety)
    return app


async def to_console(_request: Request) -> Response:
    """The way from the host's first page."""
    return RedirectResponse(f"{ROOT}/", _SEE_OTHER)


async def _lead_to_login(request: Request, _error: LoginNeededError) -> Response:
    if "hx-request" in request.headers:  # a part of a page cannot be the login page: have the whole page go there
        return Response(status_code=401, headers={"hx-redirect": f"{ROOT}/login"})
    if "text/event-stream" in request.headers.get("accept", ""):
        return Response(status_code=401)
    return RedirectResponse(way_to_login(request), _SEE_OTHER)


async def _tell_error(request: Request, error: RouterError) -> Response:
    response = _error_page(request, error.status, error.slug, error.title, error.detail, error.hint)
    if isinstance(error, UnavailableError):
        response.headers["retry-after"] = str(error.retry_after)
    return response


async def _tell_parameters(request: Request, error: RequestValidationError) -> Response:
    fields = ", ".join(str(item["loc"][-1]) for item in error.errors())
    return _error_page(request, 422, "malformed", "", fields, "")


async def _tell_http(request: Request, error: HTTPException) -> Response:
    slug = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    return _error_page(request, error.status_code, slug, str(error.detail))


def _error_page(request: Request, status: int, slug: str, title: str, *details: str) -> Response:
    context = {"slug": slug, "title": title, "details": [text for text in details if text]}
    return page(request, None, "error.html", status=status, code=status, **context)
