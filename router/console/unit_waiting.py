"""What a unit has not got: listed; handed on or given up when the unit exists no more. Which of its gateways works."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from router.console.access import NO_REASON, Code, Looking, Parts, Reason, Viewer
from router.console.pages import link, page
from router.console.reads import change, look
from router.console.unit_acts import require_right
from router.errors import ActRefusedError, NotFoundError
from router.faces import Services
from router.ledger import queries
from router.ledger.people.persons import Right
from router.ledger.queries import UnitRow
from router.ledger.units import leftovers, unit_acts
from router.ledger.units.leftovers import Leftover
from router.pages.language import N_
from schemas.codes import is_code
from schemas.ids import Id
from schemas.text import OneLine

_SEE_OTHER, _UNPROCESSABLE, _SHOWN = 303, 422, 200
_NO_HEIR = N_("There is nobody to hand on to: name a unit that exists and is an addressee.")
_NOT_YOURS = N_("You may hand on to the successor, or to a unit on which you may act.")
_EXISTS = N_("The unit exists, so what waits for it may still go.")
_NOT_NOW = N_("That cannot be done now.")
router = APIRouter()


@router.get("/units/{code}/waiting")
async def show_waiting(request: Request, services: Parts, viewer: Looking, code: Code) -> Response:
    """What waits, and the forms that settle it when the unit is gone."""
    require_right(viewer, code, Right.SEE)
    return await _page(request, services, viewer, code)


@router.post("/units/{code}/hand-on")
async def hand_on(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    code: Code,
    successor: Annotated[OneLine, Form(max_length=110)] = "",
    reason: Reason = "",
) -> Response:
    """Send it to the successor, or to another unit on which the person may act."""
    require_right(viewer, code, Right.ACT)
    heir = successor.upper()
    problem = "" if reason else NO_REASON
    if not problem and heir:
        named = await look(services, lambda conn: queries.find_unit(conn, viewer.scope, code))
        is_named = named is not None and named.successor == heir
        if not is_code(heir):
            problem = _NO_HEIR
        elif not is_named and not viewer.person.may(Right.ACT, heir):
            problem = _NOT_YOURS
    if not problem:
        by, day = viewer.by(reason), services.organisation.today
        try:
            await change(services, lambda conn: leftovers.hand_on(conn, code, heir, by, day=day))
        except (ActRefusedError, NotFoundError):
            problem = _NO_HEIR
    if problem:
        return await _page(request, services, viewer, code, problem=problem, successor=heir, reason=reason)
    return RedirectResponse(link(f"/units/{code}/waiting"), _SEE_OTHER)


@router.post("/units/{code}/give-up")
async def give_up(request: Request, services: Parts, viewer: Looking, code: Code, reason: Reason = "") -> Response:
    """End it; nobody gets it."""
    require_right(viewer, code, Right.ACT)
    problem = "" if reason else NO_REASON
    if not problem:
        by, day = viewer.by(reason), services.organisation.today
        try:
            await change(services, lambda conn: leftovers.give_up(conn, code, by, day=day))
        except ActRefusedError:
            problem = _EXISTS
    if problem:
        return await _page(request, services, viewer, code, problem=problem, given_up=reason)
    return RedirectResponse(link(f"/units/{code}/waiting"), _SEE_OTHER)


@router.post("/units/{code}/take-over")
async def take_over(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    code: Code,
    spool: Annotated[Id, Form()],
    reason: Reason = "",
) -> Response:
    """Let a gateway that stands by work for the unit in the place of the one that does."""
    require_right(viewer, code, Right.ACT)
    if not reason:
        return await _page(request, services, viewer, code, problem=NO_REASON)
    try:
        await change(services, lambda conn: unit_acts.take_over(conn, code, spool, viewer.by(reason)))
    except (ActRefusedError, NotFoundError):
        return await _page(request, services, viewer, code, problem=_NOT_NOW)
    return RedirectResponse(link(f"/units/{code}"), _SEE_OTHER)


async def _page(
    request: Request, services: Services, viewer: Viewer, code: str, *, problem: str = "", **typed: Any
) -> Response:
    def query(conn: Connection) -> tuple[UnitRow | None, list[Leftover]]:
        return queries.find_unit(conn, viewer.scope, code), leftovers.leftovers(conn, code, limit=_SHOWN + 1)

    unit, found = await look(services, query)
    if unit is None:
        raise NotFoundError(f"there is no unit {code} that you may see")
    return page(
        request,
        viewer,
        "unit_waiting.html",
        status=_UNPROCESSABLE if problem else 200,
        unit=unit,
        rows=found[:_SHOWN],
        more=len(found) > _SHOWN,
        is_over=unit.valid_to is not None and unit.valid_to < services.organisation.today,
        may_act=viewer.person.may(Right.ACT, code),
        problem=problem,
        typed={"successor": unit.successor or "", "reason": "", "given_up": ""} | typed,
    )
