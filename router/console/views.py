"""Saved views: a screen's filter under a name, on the screen itself and on a page where they are put in order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from router.console.access import Looking, Parts, Viewer
from router.console.pages import ROOT, page
from router.console.reads import change, look
from router.errors import MalformedError
from router.faces import Services
from router.ledger.people import views
from router.ledger.people.views import (
    MAX_NAME,
    MAX_QUERY,
    MOST,
    SavedView,
    Screen,
    TooManyViewsError,
    ViewNameTakenError,
)
from router.pages.language import N_
from router.words import terms
from router.words.filters import FilterError, parse
from schemas.clock import now_ms
from schemas.ids import Id
from schemas.text import OneLine

_SEE_OTHER, _UNPROCESSABLE = 303, 422
_NO_NAME = N_("Give it a name.")
_TAKEN = N_("There is a view of that name already.")
_TOO_MANY = N_("You have %(most)s views; delete one that is not needed any more.")
_TOO_LONG = N_("The filter is too long to be kept.")
_ASKED: Mapping[Screen, tuple[str, ...]] = {
    Screen.LOG: ("q",),
    Screen.DELIVERIES: ("q",),
    Screen.STUCK: ("unit",),
    Screen.UNITS: ("find", "problems", "open"),
}
"""What of a screen's address is kept: what is asked for, never where in the list somebody is."""
router = APIRouter()
Name = Annotated[OneLine, Form(max_length=MAX_NAME)]
ViewId = Annotated[Id, Path()]


@dataclass(frozen=True, slots=True)
class Shelf:
    """What a screen shows of its views: which there are, and what would be kept now."""

    screen: Screen
    query: str
    views: Sequence[SavedView]
    may_keep: bool


async def shelf_of(
    services: Services, viewer: Viewer, screen: Screen, asked: Mapping[str, str], *, may_keep: bool = True
) -> Shelf:
    """The views of a screen, and its filter as it is asked for now."""
    query = _query(screen, asked)
    found = await look(services, lambda conn: views.views_of(conn, viewer.person, screen))
    return Shelf(screen, query, found, may_keep=may_keep and bool(query))


@router.get("/views")
async def show_views(request: Request, services: Parts, viewer: Looking) -> Response:
    """All views, one's own to be put in order."""
    return await _page(request, services, viewer)


@router.post("/views")
async def keep_view(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    screen: Annotated[Screen, Form()],
    query: Annotated[str, Form(max_length=4 * MAX_QUERY)] = "",
    name: Name = "",
    shared: Annotated[bool, Form()] = False,
) -> Response:
    """Keep a filter under a name and go back to it."""
    kept = _query(screen, dict(parse_qsl(query)))
    _require_good(screen, kept, services)
    problem = _NO_NAME if not name else _TOO_LONG if len(kept) > MAX_QUERY else ""
    if not problem:
        owner = viewer.person.name
        problem = await _try(services, lambda conn: views.keep(conn, owner, screen, name, kept, shared=shared))
    if problem:
        wanted = Shelf(screen, kept, (), may_keep=True)
        return await _page(request, services, viewer, problem=problem, wanted=wanted, name=name, shared=shared)
    return RedirectResponse(place_of(screen, kept), _SEE_OTHER)


@router.post("/views/{view_id}/name")
async def rename_view(request: Request, services: Parts, viewer: Looking, view_id: ViewId, name: Name = "") -> Response:
    """Give one another name."""
    problem = _NO_NAME
    if name:
        problem = await _try(services, lambda conn: views.rename(conn, viewer.person.name, view_id, name))
    return await _done(request, services, viewer, problem)


@router.post("/views/{view_id}/share")
async def share_view(
    *, request: Request, services: Parts, viewer: Looking, view_id: ViewId, shared: Annotated[bool, Form()] = False
) -> Response:
    """Share one with those who see the same units, or keep it for oneself."""
    problem = await _try(services, lambda conn: views.share(conn, viewer.person.name, view_id, shared=shared))
    return await _done(request, services, viewer, problem)


@router.post("/views/{view_id}/delete")
async def drop_view(request: Request, services: Parts, viewer: Looking, view_id: ViewId) -> Response:
    """Delete one."""
    problem = await _try(services, lambda conn: views.drop(conn, viewer.person.name, view_id))
    return await _done(request, services, viewer, problem)


def place_of(screen: Screen, query: str) -> str:
    """Where a view leads."""
    return f"{ROOT}/{screen.value}" + (f"?{query}" if query else "")


def _query(screen: Screen, asked: Mapping[str, str]) -> str:
    return urlencode({key: asked[key].strip() for key in _ASKED[screen] if asked.get(key, "").strip()})


def _require_good(screen: Screen, query: str, services: Services) -> None:
    """A filter that cannot be read is not kept."""
    asked = dict(parse_qsl(query))
    if not asked:
        raise MalformedError("there is no filter to keep", hint="filter the screen first")
    try:
        parse(asked.get("q", ""), now_ms=now_ms(), zone=services.zone, of_log=screen is Screen.LOG)
    except FilterError as error:
        raise MalformedError(str(error)) from error


async def _try(services: Services, act: Callable[[Connection], Any]) -> str:
    """Do it; what a page says when it cannot be, empty when it is done."""
    try:
        await change(services, act)
    except TooManyViewsError:
        return _TOO_MANY
    except ViewNameTakenError:
        return _TAKEN
    return ""


async def _done(request: Request, services: Services, viewer: Viewer, problem: str) -> Response:
    if problem:
        return await _page(request, services, viewer, problem=problem)
    return RedirectResponse(f"{ROOT}/views", _SEE_OTHER)


async def _page(request: Request, services: Services, viewer: Viewer, *, problem: str = "", **typed: Any) -> Response:
    found = await look(services, lambda conn: views.views_of(conn, viewer.person))
    return page(
        request,
        viewer,
        "views.html",
        status=_UNPROCESSABLE if problem else 200,
        mine=[view for view in found if view.owner == viewer.person.name],
        others=[view for view in found if view.owner != viewer.person.name],
        problem=problem,
        most=MOST,
        screens=terms.SCREENS,
        **({"wanted": None, "name": "", "shared": False} | typed),
    )
