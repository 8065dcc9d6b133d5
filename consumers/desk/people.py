"""Người dùng: who may come in, what they are, and how they are called in registers and receipts."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from consumers.desk.access import DeskViewer, Looking, Parts
from consumers.desk.mailing import MAILING
from consumers.desk.pages import ROOT, link, page
from consumers.desk.services import DeskServices
from consumers.errors import DeskForbiddenError
from consumers.spool import journal
from consumers.spool.journal import JournalAct, JournalEntry
from consumers.spool.people import PEOPLE, Card, DeskRight, DeskRole, cards, write_card
from router.mail.addresses import MAX_ADDRESS
from router.pages.language import N_
from router.pages.people import PersonRow, RoleGrant
from router.pages.people.persons import INVITED_FOR_MS, check_name
from schemas.clock import now_ms
from schemas.text import OneLine

_SEE_OTHER, _UNPROCESSABLE = 303, 422
_NO_NAME = N_("Write the login as nguyen.van.a: a-z, 0-9, dot, dash, underscore.")
_NO_UNIT = N_("Choose a unit whose people you administer, and at least one role.")
_NO_EMAIL = N_("That is no e-mail address.")
router = APIRouter()
Login = Annotated[str, Path(max_length=64)]
Text = Annotated[OneLine, Form(max_length=200)]


@router.get("/people")
async def show_people(request: Request, services: Parts, viewer: Looking) -> Response:
    """The people of the units that the person administers, and the form that invites."""
    return await _page(request, services, viewer)


@router.post("/people")
async def invite(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    login: Annotated[str, Form(max_length=64)],
    unit: Annotated[str, Form(max_length=100)] = "",
    role: Annotated[tuple[DeskRole, ...], Form()] = (),
    full_name: Text = "",
    title: Text = "",
    department: Text = "",
    email: Annotated[str, Form(max_length=MAX_ADDRESS)] = "",
) -> Response:
    """Make a one-time link; shown once."""
    try:
        check_name(login)
    except ValueError:
        return await _page(request, services, viewer, problem=_NO_NAME)
    if not viewer.may(DeskRight.ADMINISTER, unit) or bool(unit) is not bool(role):
        return await _page(request, services, viewer, problem=_NO_UNIT)

    def act(conn: Connection) -> str:
        _require_administered(conn, viewer, login)
        token = PEOPLE.invite(conn, login, [RoleGrant(one, unit) for one in role], now_ms=now_ms())
        was = cards(conn, [login])[login]
        write_card(conn, Card(login, full_name or was.full_name, title or was.title, department or was.department))
        if email:
            MAILING.recipients.give_address(conn, login, email, now_ms=now_ms())
        _note(conn, viewer, JournalAct.INVITED, unit, login, detail=", ".join(role))
        return token

    try:
        token = await services.change(act)
    except ValueError:
        return await _page(request, services, viewer, problem=_NO_EMAIL)
    way = f"{request.url.scheme}://{request.url.netloc}{ROOT}/welcome?token={token}"
    return await _page(request, services, viewer, way=way, invited=login)


@router.post("/people/{login}/revoke")
async def revoke(services: Parts, viewer: Looking, login: Login) -> Response:
    """End somebody's access at once."""

    def act(conn: Connection) -> None:
        _require_administered(conn, viewer, login)
        PEOPLE.revoke(conn, login, now_ms=now_ms())
        _note(conn, viewer, JournalAct.REVOKED, "", login)

    await services.change(act)
    return RedirectResponse(link("/people"), _SEE_OTHER)


@router.post("/people/{login}/withdraw")
async def withdraw(
    services: Parts,
    viewer: Looking,
    login: Login,
    role: Annotated[DeskRole, Form()],
    unit: Annotated[str, Form(max_length=110)],
) -> Response:
    """Take a role back."""

    def act(conn: Connection) -> None:
        _require_administered(conn, viewer, login)
        PEOPLE.withdraw(conn, login, RoleGrant(role, unit))
        _note(conn, viewer, JournalAct.WITHDRAWN, unit, login, detail=role)

    await services.change(act)
    return RedirectResponse(link("/people"), _SEE_OTHER)


async def _page(
    request: Request, services: DeskServices, viewer: DeskViewer, *, problem: str = "", way: str = "", invited: str = ""
) -> Response:
    viewer.require(DeskRight.ADMINISTER)

    def read(conn: Connection) -> tuple[list[PersonRow], dict[str, Card]]:
        rows = [row for row in PEOPLE.list_all(conn) if _is_administered(viewer, row)]
        return rows, cards(conn, [row.person.name for row in rows])

    rows, known = await services.look(read)
    context: dict[str, Any] = {
        "rows": rows,
        "cards": known,
        "units": viewer.units(DeskRight.ADMINISTER),
        "roles": list(DeskRole),
    }
    context |= {"problem": problem, "way": way, "invited": invited, "lasts": INVITED_FOR_MS, "now": now_ms()}
    return page(request, viewer, "people.html", status=_UNPROCESSABLE if problem else 200, **context)


def _require_administered(conn: Connection, viewer: DeskViewer, login: str) -> None:
    """Go on only when all that somebody was granted is of units that the person administers; also when it is nothing.

    Raises:
        DeskForbiddenError: it is not.
    """
    row = next((row for row in PEOPLE.list_all(conn) if row.person.name == login), None)
    if not viewer.may(DeskRight.ADMINISTER) or (row is not None and not _is_administered(viewer, row)):
        raise DeskForbiddenError(f"{login} has roles at units that you do not administer")


def _is_administered(viewer: DeskViewer, row: PersonRow) -> bool:
    return viewer.person.may_all(DeskRight.ADMINISTER, row.person.grants)


def _note(conn: Connection, viewer: DeskViewer, act: JournalAct, unit: str, login: str, *, detail: str = "") -> None:
    told = JournalEntry(now_ms(), viewer.person.name, act, unit.removesuffix(".#"), login, detail, viewer.address)
    journal.record(conn, told)
