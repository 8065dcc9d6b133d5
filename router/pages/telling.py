"""How a program's pages say an error: as a page in the reader's language, with the menu and the way back."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from router.pages import kept_form
from router.pages.access import door_of, watcher_of
from router.pages.door import login_page, way_to_login
from router.pages.errors import LoginNeededError, PageError
from router.pages.language import ENGLISH, N_
from router.pages.preferences import Preferences
from router.pages.safety import require_own

_SEE_OTHER = 303
_Kinds = tuple[type[Exception], ...]
WORDS: dict[str, str] = {
    "not-found": N_("There is nothing here that you may see."),
    "forbidden": N_("Your roles do not allow this."),
    "foreign-request": N_("The form is not of this session; load its page again."),
    "login-needed": N_("Please log in."),
    "malformed": N_("The address or the form cannot be read."),
    "too-large": N_("That is too long."),
    "link-ended": N_("The one-time link was used or has ended; ask for another."),
}
"""What pages say of an error, by its slug; the error itself says the rest in English."""
_BY_STATUS: dict[int, str] = {
    400: WORDS["malformed"],
    401: WORDS["login-needed"],
    403: WORDS["forbidden"],
    404: N_("There is no such page."),
    405: N_("This page takes no such request."),
    413: WORDS["too-large"],
    422: N_("What was asked for cannot be done as it was written."),
    429: N_("Too much was asked in a short time; wait a little."),
    503: N_("The database does not answer; try again in a moment."),
}
_SOMETHING = N_("Something went wrong here. It was noted; try again, or tell the administrator.")


@dataclass(frozen=True, slots=True)
class Told:
    """What there is to say of an error.

    Args:
        status: the answer's.
        slug: its name, by which its words are found.
        detail: what happened, in English.
        hint: what can be done, in English.
        retry_after: seconds after which the same may work; None: it is not known to.
        fields: of a form, those that cannot be read.
    """

    status: int
    slug: str
    detail: str = ""
    hint: str = ""
    retry_after: int | None = None
    fields: tuple[str, ...] = ()


def tell_errors(app: FastAPI, known: Mapping[type[Exception], Callable[[Any], Told]], words: dict[str, str]) -> None:
    """Have a program's pages say what goes wrong.

    Args:
        app: with a :class:`router.pages.access.Door` as ``state.door``.
        known: the bases of the program's own errors, and what there is to say of each.
        words: what its pages say of them by their slugs, in addition to :data:`WORDS`.
    """
    says = {**WORDS, **words}
    bases: _Kinds = (PageError, *known)

    def teller(told_of: Callable[[Any], Told]) -> Callable[[Request, Any], Awaitable[Response]]:
        async def tell(request: Request, error: Any) -> Response:
            told = told_of(error)
            said = _said(says, told.slug, told.status)
            response = await _error_page(request, bases, told.status, said, told.detail, told.hint, fields=told.fields)
            if told.retry_after is not None:
                response.headers["retry-after"] = str(told.retry_after)
            return response

        return tell

    async def tell_parameters(request: Request, error: Any) -> Response:
        fields = dict.fromkeys(str(item["loc"][-1]) for item in error.errors() if item["loc"])
        return await _error_page(request, bases, 422, says["malformed"], fields=tuple(fields))

    async def tell_http(request: Request, error: Any) -> Response:
        return await _error_page(request, bases, error.status_code, _said(says, "", error.status_code))

    async def tell_unexpected(request: Request, _error: Exception) -> Response:
        return await _error_page(request, bases, 500, _SOMETHING)

    app.exception_handler(LoginNeededError)(_lead_to_login)
    app.exception_handler(PageError)(teller(_of_page))
    for base, told_of in known.items():
        app.exception_handler(base)(teller(told_of))
    app.exception_handler(RequestValidationError)(tell_parameters)
    app.exception_handler(HTTPException)(tell_http)
    app.exception_handler(Exception)(tell_unexpected)


def _of_page(error: PageError) -> Told:
    return Told(error.status, error.slug, error.detail, error.hint)


def _said(says: dict[str, str], slug: str, status: int) -> str:
    """What a page says of an error: by its slug, else by its status."""
    return says.get(slug) or _BY_STATUS.get(status, _SOMETHING)


async def _lead_to_login(request: Request, _error: Exception) -> Response:
    if "hx-request" in request.headers:  # a part of a page cannot be the login page: have the whole page go there
        return Response(status_code=401, headers={"hx-redirect": f"{door_of(request).root}/login"})
    if "text/event-stream" in request.headers.get("accept", ""):
        return Response(status_code=401)
    if request.method == "POST" and (kept := await _kept(request)):
        return login_page(request, status=401, kept=kept)
    return RedirectResponse(way_to_login(request), _SEE_OTHER)


async def _kept(request: Request) -> str:
    """The form that was sent without a session, to be shown again after the login; only one of our own pages."""
    with suppress(PageError, ClientDisconnect, HTTPException):
        require_own(request.method, request.headers)
        form = kept_form.keep(request.url.path, await request.form(), door_of(request).root)
        return form.write() if form else ""
    return ""


async def _error_page(
    request: Request,
    bases: tuple[type[Exception], ...],
    status: int,
    said: str,
    *details: str,
    fields: Sequence[str] = (),
) -> Response:
    """What went wrong in the language of the page, with the menu of whoever is logged in and the way back.

    What errors say of themselves is English and for engineers, so only an English page shows it.
    """
    visitor = None
    with suppress(*bases):
        visitor = await watcher_of(request)
    is_english = Preferences.of(request.cookies).language == ENGLISH
    context: dict[str, Any] = {"said": said, "fields": fields, "back": _back(request)}
    context |= {"details": [text for text in details if text] if is_english else []}
    return door_of(request).page(request, visitor, "error.html", status=status, code=status, **context)


def _back(request: Request) -> str:
    """The page of ours that led here; empty: none did."""
    came = urlsplit(request.headers.get("referer", ""))
    is_ours = came.netloc == request.headers.get("host") and came.path.startswith(f"{door_of(request).root}/")
    return came.path + (f"?{came.query}" if came.query else "") if is_ours else ""
