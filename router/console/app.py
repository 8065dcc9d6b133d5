"""Puts the console together: its pages, its static files, and its own way to say an error."""

from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from router.console import (
    audit,
    care,
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
    sessions,
    sheets,
    statistics,
    stuck,
    tokens,
    unit,
    unit_acts,
    unit_import,
    unit_retire,
    unit_rules,
    unit_waiting,
    units,
    views,
)
from router.console.access import watcher_of
from router.console.login import login_page, way_to_login
from router.console.newsroom import Newsroom
from router.console.pages import ROOT, page, preferences_of
from router.errors import RouterError, UnavailableError
from router.faces import Services
from router.pages import kept_form
from router.pages.compression import Compression
from router.pages.errors import LoginNeededError, PageError
from router.pages.language import ENGLISH
from router.pages.rendering import Static
from router.pages.safety import Safety, require_own
from router.words.errors import word_of_error

__all__ = ["PARTS", "ROOT", "create_console"]
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
        unit_import,
        unit_rules,
        unit_retire,
        unit_waiting,
        unit,
        lines,
    ),
    *(stuck, care, views, redrives, statistics, search, audit, tokens, sessions, sheets, help),
)
_SEE_OTHER = 303


def create_console(services: Services) -> FastAPI:
    """The console over the router's parts; it owns none of them."""
    app = FastAPI(title="congvan console", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.services = services
    app.state.newsroom = Newsroom(services)
    for part in PARTS:
        app.include_router(part.router)
    app.mount("/static", Static(), name="static")
    app.exception_handler(LoginNeededError)(_lead_to_login)
    app.exception_handler(PageError)(_tell_error)
    app.exception_handler(RouterError)(_tell_error)
    app.exception_handler(RequestValidationError)(_tell_parameters)
    app.exception_handler(HTTPException)(_tell_http)
    app.exception_handler(Exception)(_tell_unexpected)
    app.add_middleware(Safety)
    app.add_middleware(Compression)
    return app


async def _lead_to_login(request: Request, _error: LoginNeededError) -> Response:
    if "hx-request" in request.headers:  # a part of a page cannot be the login page: have the whole page go there
        return Response(status_code=401, headers={"hx-redirect": f"{ROOT}/login"})
    if "text/event-stream" in request.headers.get("accept", ""):
        return Response(status_code=401)
    if request.method == "POST" and (kept := await _kept(request)):
        return login_page(request, status=401, kept=kept)
    return RedirectResponse(way_to_login(request), _SEE_OTHER)


async def _kept(request: Request) -> str:
    """The form that was sent without a session, to be shown again after the login; only one of our own pages."""
    with suppress(PageError, ClientDisconnect, HTTPException):
        require_own(request.method, request.headers)
        form = kept_form.keep(request.url.path, await request.form())
        return form.write() if form else ""
    return ""


async def _tell_error(request: Request, error: PageError | RouterError) -> Response:
    response = await _error_page(request, error.status, error.slug, error.detail, error.hint)
    if isinstance(error, UnavailableError):
        response.headers["retry-after"] = str(error.retry_after)
    return response


async def _tell_parameters(request: Request, error: RequestValidationError) -> Response:
    fields = dict.fromkeys(str(item["loc"][-1]) for item in error.errors() if item["loc"])
    return await _error_page(request, 422, "malformed", fields=tuple(fields))


async def _tell_http(request: Request, error: HTTPException) -> Response:
    return await _error_page(request, error.status_code, "")


async def _tell_unexpected(request: Request, _error: Exception) -> Response:
    return await _error_page(request, 500, "")


async def _error_page(request: Request, status: int, slug: str, *details: str, fields: Sequence[str] = ()) -> Response:
    """What went wrong in the language of the page, with the menu of whoever is logged in and the way back.

    What errors say of themselves is English and for engineers, so only an English page shows it.
    """
    viewer = None
    with suppress(PageError, RouterError):
        viewer = await watcher_of(request)
    is_english = preferences_of(request).language == ENGLISH
    context = {"said": word_of_error(slug, status), "fields": fields, "back": _back(request)}
    context |= {"details": [text for text in details if text] if is_english else []}
    return page(request, viewer, "error.html", status=status, code=status, **context)


def _back(request: Request) -> str:
    """The page of ours that led here; empty: none did."""
    came = urlsplit(request.headers.get("referer", ""))
    is_ours = came.netloc == request.headers.get("host") and came.path.startswith(f"{ROOT}/")
    return came.path + (f"?{came.query}" if came.query else "") if is_ours else ""
