"""What people do with a unit: pause it, mute it until a day, open it again, retire it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Form, Path, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from router.api.services import Services
from router.console.access import Looking, Parts, Viewer
from router.console.pages import link
from router.console.reads import change
from router.errors import ForbiddenError, MalformedError, NotFoundError
from router.ledger import unit_acts
from router.ledger.people import Right
from router.ledger.unit_acts import MAX_REASON, By, Done
from schemas.clock import now_ms
from schemas.codes import UnitCode, covers
from schemas.text import Line

_SEE_OTHER = 303
router = APIRouter()


class UnitAct(StrEnum):
    """The acts."""

    PAUSE = "pause"
    MUTE = "mute"
    OPEN = "open"
    RETIRE = "retire"


@router.post("/units/{code}")
async def act_on_unit(
    *,
    services: Parts,
    viewer: Looking,
    code: Annotated[UnitCode, Path()],
    act: Annotated[UnitAct, Form()],
    reason: Annotated[Line, Form(max_length=MAX_REASON)] = "",
    day: Annotated[str, Form(max_length=10)] = "",
    successor: Annotated[Line, Form(max_length=110)] = "",
) -> Response:
    """Do it, with its reason; the unit's page then shows how it stands. A second click changes nothing more."""
    _require(viewer, code, Right.ADMINISTER if act is UnitAct.RETIRE else Right.ACT)
    if not reason:
        raise MalformedError("the reason is missing", hint="say why; it is kept in the audit log")
    by = By(viewer.person.name, reason, now_ms(), viewer.address)
    wish = _Wish(act, code, day, successor.upper(), by)
    await change(services, _act(wish, services))
    return RedirectResponse(link(f"/units/{code}"), _SEE_OTHER)


def _act(wish: "_Wish", services: Services) -> Callable[[Connection], Done]:
    code, by = wish.code, wish.by
    if wish.act is UnitAct.PAUSE:
        return lambda conn: unit_acts.pause(conn, code, by)
    if wish.act is UnitAct.OPEN:
        return lambda conn: unit_acts.open_again(conn, code, by)
    last = _day(wish.day)
    if wish.act is UnitAct.RETIRE:
        return lambda conn: unit_acts.retire(conn, code, last, wish.successor or None, by)
    until = _end_of(last, services)
    return lambda conn: unit_acts.mute(conn, code, until, by)


@dataclass(frozen=True, slots=True)
class _Wish:
    """What the form said."""

    act: UnitAct
    code: str
    day: str
    successor: str
    by: By


def _require(viewer: Viewer, code: str, right: Right) -> None:
    if not any(covers(pattern, code) for pattern in viewer.person.patterns(Right.SEE)):
        raise NotFoundError(f"there is no unit {code} that you may see")
    if not viewer.person.may(right, code):
        raise ForbiddenError(f"{viewer.person.name} may not do that to {code}", hint="an administrator grants the role")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise MalformedError(f"{text!r} is no day", hint="write it as 2026-12-31") from error


def _end_of(day: date, services: Services) -> int:
    """When a day is over where the people are, UTC ms."""
    try:
        after = datetime(day.year, day.month, day.day, tzinfo=services.zone) + timedelta(days=1)
        return round(after.timestamp() * 1000)
    except OverflowError as error:
        raise MalformedError(f"{day} is too far away", hint="give an earlier day") from error
