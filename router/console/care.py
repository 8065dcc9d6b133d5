"""One group of stuck deliveries: what it is, and who takes care of it."""

from typing import Annotated

from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from router.console.access import Looking, Parts, Viewer
from router.console.pages import link, page
from router.console.reads import change, look
from router.console.stuck import filter_of
from router.errors import ActRefusedError, ForbiddenError, NotFoundError
from router.faces import Services
from router.ledger.acts import stuck_care
from router.ledger.acts.stuck_care import MAX_NOTE, Care
from router.ledger.people.persons import Right, scope_of
from router.ledger.queries import StuckGroup
from router.ledger.scope import Scope
from router.pages.language import N_
from schemas.clock import now_ms
from schemas.text import OneLine

_SEE_OTHER, _UNPROCESSABLE = 303, 422
_MEANWHILE = N_("Somebody has taken it meanwhile, or left it; see who, then decide again.")
router = APIRouter()
GroupId = Annotated[str, Path(pattern="^[0-9a-f]{12}$")]
Note = Annotated[OneLine, Form(max_length=MAX_NOTE)]


@router.get("/stuck/{group}")
async def show_group(request: Request, services: Parts, viewer: Looking, group: GroupId) -> Response:
    """The group, who takes care of it, and the form to do so."""
    return await _page(request, services, viewer, group)


@router.post("/stuck/{group}/take")
async def take_care(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    group: GroupId,
    seen: Annotated[int, Form(ge=0, lt=2**53)],
    text: Note = "",
) -> Response:
    """Take care of it, also in the place of somebody else; a second click changes nothing."""
    by, scope, day = (
        viewer.by(text),
        _acting(viewer),
        services.organisation.today,
    )
    try:
        await change(services, lambda conn: stuck_care.take(conn, scope, group, by, seen=seen, day=day))
    except ActRefusedError:
        return await _page(request, services, viewer, group, problem=_MEANWHILE, text=text)
    return RedirectResponse(link("/stuck"), _SEE_OTHER)


@router.post("/stuck/{group}/leave")
async def leave_care(services: Parts, viewer: Looking, group: GroupId, text: Note = "") -> Response:
    """Nobody takes care of it any more."""
    by, scope, day = (
        viewer.by(text),
        _acting(viewer),
        services.organisation.today,
    )
    await change(services, lambda conn: stuck_care.leave(conn, scope, group, by, day=day))
    return RedirectResponse(link("/stuck"), _SEE_OTHER)


def _acting(viewer: Viewer) -> Scope:
    """On what the person may act.

    Raises:
        ForbiddenError: on nothing.
    """
    if not viewer.may_act:
        raise ForbiddenError(f"{viewer.person.name} may act on no unit", hint="an administrator grants the role")
    return scope_of(viewer.person, Right.ACT)


async def _page(
    request: Request, services: Services, viewer: Viewer, group_id: str, *, problem: str = "", text: str | None = None
) -> Response:
    def query(conn: Connection) -> tuple[StuckGroup, Care | None]:
        day = services.organisation.today
        group = stuck_care.find_group(conn, viewer.scope, group_id, now_ms=now_ms(), day=day)
        return group, stuck_care.cares_of(conn, viewer.scope, [group.key]).get(group.key)

    try:
        group, care = await look(services, query)
    except NotFoundError:
        return page(request, viewer, "stuck_group.html", status=404, group=None)
    return page(
        request,
        viewer,
        "stuck_group.html",
        status=_UNPROCESSABLE if problem else 200,
        group=group,
        q=filter_of(group, told_apart=False),
        care=care,
        may_care=viewer.may_act and stuck_care.sees_whole(_acting(viewer), group.key),
        problem=problem,
        text=text if text is not None else care.note if care and care.owner == viewer.person.name else "",
    )
