"""A unit is retired: a page of its own says what follows before it is done, and there is a way back until the day."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from router.console.access import NO_REASON, Code, Looking, Parts, Reason, Viewer
from router.console.pages import link, page
from router.console.reads import change, look
from router.console.unit_acts import NO_DAY, require_right, typed_day
from router.errors import ActRefusedError, DirectoryError, NotFoundError
from router.faces import Services
from router.ledger import queries
from router.ledger.people.persons import Right
from router.ledger.queries import Retiring, UnitRow
from router.ledger.units import unit_acts
from router.pages.language import N_
from schemas.clock import now_ms
from schemas.text import OneLine

_SEE_OTHER, _UNPROCESSABLE = 303, 422
_PAST = N_("That day has passed; choose today or a later one.")
_SUCCESSOR = N_("The successor does not fit: it is another unit that is there and does not hand on to this one.")
_OVER = N_("The day has passed: there is no way back here. A unit that begins again is imported with the organisation.")
router = APIRouter()


@router.get("/units/{code}/retire")
async def show_retiring(request: Request, services: Parts, viewer: Looking, code: Code) -> Response:
    """What hangs on the unit, and the form that retires it; or, when it is retired, the way back."""
    require_right(viewer, code, Right.ADMINISTER)
    return await _page(request, services, viewer, code)


@router.post("/units/{code}/retire")
async def retire(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    code: Code,
    day: Annotated[str, Form(max_length=10)],
    reason: Reason = "",
    successor: Annotated[OneLine, Form(max_length=110)] = "",
) -> Response:
    """Retire it from the day after; what cannot be is said beside what was typed."""
    require_right(viewer, code, Right.ADMINISTER)
    typed = {"day": day, "successor": successor.upper(), "reason": reason}
    today, last = services.organisation.today, typed_day(day)
    problem = NO_DAY if last is None else _PAST if last < today else "" if reason else NO_REASON
    if problem or last is None:
        return await _page(request, services, viewer, code, problem=problem, **typed)
    by = viewer.by(reason)
    try:
        await change(
            services, lambda conn: unit_acts.retire(conn, code, last, successor.upper() or None, by, today=today)
        )
    except DirectoryError:
        return await _page(request, services, viewer, code, problem=_SUCCESSOR, **typed)
    return RedirectResponse(link(f"/units/{code}"), _SEE_OTHER)


@router.post("/units/{code}/keep")
async def keep(request: Request, services: Parts, viewer: Looking, code: Code, reason: Reason = "") -> Response:
    """Take the retirement back, as long as the day has not passed."""
    require_right(viewer, code, Right.ADMINISTER)
    if not reason:
        return await _page(request, services, viewer, code, problem=NO_REASON)
    by, today = viewer.by(reason), services.organisation.today
    try:
        await change(services, lambda conn: unit_acts.keep(conn, code, by, today=today))
    except ActRefusedError:
        return await _page(request, services, viewer, code, problem=_OVER, reason=reason)
    return RedirectResponse(link(f"/units/{code}"), _SEE_OTHER)


async def _page(
    request: Request,
    services: Services,
    viewer: Viewer,
    code: str,
    *,
    problem: str = "",
    **typed: Any,
) -> Response:
    today = services.organisation.today

    def query(conn: Connection) -> tuple[UnitRow | None, Retiring]:
        found = queries.retiring(conn, viewer.scope, code, today=today, now_ms=now_ms())
        return queries.find_unit(conn, viewer.scope, code), found

    unit, follows = await look(services, query)
    if unit is None:
        raise NotFoundError(f"there is no unit {code} that you may see")
    return page(
        request,
        viewer,
        "unit_retire.html",
        status=_UNPROCESSABLE if problem else 200,
        unit=unit,
        follows=follows,
        today=today,
        is_over=unit.valid_to is not None and unit.valid_to < today,
        problem=problem,
        typed={"day": "", "successor": "", "reason": ""} | typed,
        directory=services.organisation.directory,
    )
