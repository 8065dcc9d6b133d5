"""What people do with units: pause them, mute them until a day, open them again. To retire one has its own page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from router.console.access import Looking, Parts, Viewer
from router.console.pages import MOST_CHOSEN, link, page
from router.console.reads import change, look
from router.errors import ForbiddenError, MalformedError, NotFoundError
from router.faces import Services
from router.ledger import queries
from router.ledger.people.audit import MAX_REASON, By
from router.ledger.people.persons import Right
from router.ledger.queries import UnitRow
from router.ledger.units import unit_acts
from router.ledger.units.unit_acts import Done
from router.pages.language import N_
from schemas.clock import now_ms
from schemas.codes import UnitCode, ancestors_of, covers
from schemas.text import OneLine

NO_DAY = N_("That is no day; choose one in the calendar.")
_SEE_OTHER = 303
router = APIRouter()


class UnitAct(StrEnum):
    """The acts."""

    PAUSE = "pause"
    MUTE = "mute"
    OPEN = "open"


@router.get("/units/acts")
async def choose_act(
    request: Request,
    services: Parts,
    viewer: Looking,
    unit: Annotated[list[UnitCode], Query(min_length=1, max_length=MOST_CHOSEN)],
) -> Response:
    """The units that were chosen, and what can be done with them."""
    for code in unit:
        require_right(viewer, code, Right.ACT)

    rows = await look(services, lambda conn: queries.find_units(conn, viewer.scope, unit))
    if not rows:
        raise NotFoundError(f"there is no unit {unit[0]} that you may see")
    return page(request, viewer, "units_acts.html", now=now_ms(), **offered(viewer, rows, services))


def offered(viewer: Viewer, rows: Sequence[UnitRow], services: Services) -> dict[str, Any]:
    """What the form of acts shows for units."""
    return {
        "chosen": rows,
        "may_act": all(viewer.person.may(Right.ACT, row.code) for row in rows),
        "may_retire": len(rows) == 1 and viewer.person.may(Right.ADMINISTER, rows[0].code),
        "tomorrow": services.organisation.today + timedelta(days=1),
    }


@router.post("/units/acts")
async def act_on_units(
    *,
    services: Parts,
    viewer: Looking,
    unit: Annotated[list[UnitCode], Form(min_length=1, max_length=MOST_CHOSEN)],
    act: Annotated[UnitAct, Form()],
    reason: Annotated[OneLine, Form(max_length=MAX_REASON)] = "",
    below: Annotated[bool, Form()] = False,
    day: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Do it, with its reason, for all of them or for none; a second click changes nothing more.

    ``below`` means all units below the chosen ones, too. One unit's page, or the tree, then shows how they stand.
    """
    for code in unit:
        require_right(viewer, code, Right.ACT)
    if not reason:
        raise MalformedError("the reason is missing", hint="say why; it is kept in the audit log")
    by = viewer.by(reason)
    do = _act(_Wish(act, day, by), services)

    def query(conn: Connection) -> Done:
        codes = unit_acts.named(conn, [f"{code}.#" if below else code for code in unit])
        for code in codes:
            require_right(viewer, code, Right.ACT)
        return do(conn, codes)

    await change(services, query)
    opened = sorted({above for code in unit for above in ancestors_of(code)})
    place = link(f"/units/{unit[0]}") if len(unit) == 1 else link("/units", open=",".join(opened))
    return RedirectResponse(place, _SEE_OTHER)


@dataclass(frozen=True, slots=True)
class _Wish:
    """What the form said."""

    act: UnitAct
    day: str
    by: By


def _act(wish: _Wish, services: Services) -> Callable[[Connection, Sequence[str]], Done]:
    by = wish.by
    if wish.act is UnitAct.PAUSE:
        return lambda conn, codes: unit_acts.pause(conn, codes, by)
    if wish.act is UnitAct.OPEN:
        return lambda conn, codes: unit_acts.open_again(conn, codes, by)
    until = end_of(day_of(wish.day), services)
    return lambda conn, codes: unit_acts.mute(conn, codes, until, by)


def require_right(viewer: Viewer, code: str, right: Right) -> None:
    """Refuse an act on a unit that a person may not do.

    Raises:
        NotFoundError: they do not see the unit.
        ForbiddenError: they see it and may not act on it so.
    """
    if not any(covers(pattern, code) for pattern in viewer.person.patterns(Right.SEE)):
        raise NotFoundError(f"there is no unit {code} that you may see")
    if not viewer.person.may(right, code):
        raise ForbiddenError(f"{viewer.person.name} may not do that to {code}", hint="an administrator grants the role")


def day_of(text: str) -> date:
    """A day as a form's date field writes it.

    Raises:
        MalformedError: it is none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise MalformedError(f"{text!r} is no day", hint="write it as 2026-12-31") from error


def typed_day(text: str) -> date | None:
    """The same; None when it is none, and :data:`NO_DAY` tells the person."""
    try:
        return day_of(text)
    except MalformedError:
        return None


def end_of(day: date, services: Services) -> int:
    """When a day is over where the people are, UTC ms."""
    try:
        after = datetime(day.year, day.month, day.day, tzinfo=services.zone) + timedelta(days=1)
        return round(after.timestamp() * 1000)
    except OverflowError as error:
        raise MalformedError(f"{day} is too far away", hint="give an earlier day") from error
