"""People of the console: invited, given roles, their access ended, by administrators of all their units."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from router.console.access import Parts, Viewer
from router.console.pages import ROOT, link, page
from router.console.reads import change, look
from router.console.tokens import Administering
from router.errors import ForbiddenError
from router.faces import Services
from router.ledger.people import audit, identities
from router.ledger.people.audit import Act, AuditEntry
from router.ledger.people.persons import PEOPLE, PersonRole, Right, administers_all_of
from router.mail.addresses import MAX_ADDRESS
from router.pages.language import N_
from router.pages.people import PersonRow, RoleGrant
from router.pages.people.persons import INVITED_FOR_MS, check_name
from router.words.notices import MAILING
from schemas.clock import now_ms

_SEE_OTHER, _UNPROCESSABLE = 303, 422
_NO_NAME = N_("Write the login as nguyen.van.a: a-z, 0-9, dot, dash, underscore.")
_NO_UNITS = N_(
    "Write units that you administer, as LCA.02.05, or LCA.02.# for a subtree, and choose at least one role."
)
_NOT_WHOLE = N_(
    "Only who administers the whole organisation makes somebody an issuer: an issuer may write to all units."
)
_NO_EMAIL = N_("That is no e-mail address.")
router = APIRouter()
Login = Annotated[str, Path(max_length=64)]
Units = Annotated[str, Form(max_length=110)]


@router.get("/people")
async def show_people(request: Request, services: Parts, viewer: Administering) -> Response:
    """Those whom the person administers, and the form that invites."""
    return await _page(request, services, viewer)


@router.post("/people")
async def invite(
    *,
    request: Request,
    services: Parts,
    viewer: Administering,
    login: Annotated[str, Form(max_length=64)],
    units: Units = "",
    role: Annotated[tuple[PersonRole, ...], Form()] = (),
    email: Annotated[str, Form(max_length=MAX_ADDRESS)] = "",
) -> Response:
    """Make a one-time link, shown once; for somebody who is known it is another way in."""
    try:
        check_name(login)
    except ValueError:
        return await _page(request, services, viewer, problem=_NO_NAME)
    try:
        grants = [PEOPLE.check_grant(one.value, units) for one in role]
    except ValueError:
        return await _page(request, services, viewer, problem=_NO_UNITS)
    if bool(units) is not bool(role) or not viewer.person.may_all(Right.ADMINISTER, grants):
        return await _page(request, services, viewer, problem=_NO_UNITS)
    if grants and not administers_all_of(viewer.person, grants):
        return await _page(request, services, viewer, problem=_NOT_WHOLE)

    def act(conn: Connection) -> str:
        _require_administered(conn, viewer, login, is_new=bool(grants))
        token = PEOPLE.invite(conn, login, grants, now_ms=now_ms())
        if email:
            identities.set_email(conn, login, email)
            MAILING.recipients.give_address(conn, login, email, now_ms=now_ms())
        _note(conn, viewer, Act.INVITED, units, f"{login} {', '.join(role)} {units}".strip())
        return token

    try:
        token = await change(services, act)
    except ValueError:
        return await _page(request, services, viewer, problem=_NO_EMAIL)
    way = f"{request.url.scheme}://{request.url.netloc}{ROOT}/welcome?token={token}"
    return await _page(request, services, viewer, way=way, invited=login)


@router.post("/people/{login}/revoke")
async def revoke(services: Parts, viewer: Administering, login: Login) -> Response:
    """End somebody's access at once, open pages included."""

    def act(conn: Connection) -> None:
        _require_administered(conn, viewer, login)
        PEOPLE.revoke(conn, login, now_ms=now_ms())
        _note(conn, viewer, Act.REVOKED, "", login)

    await change(services, act)
    return RedirectResponse(link("/people"), _SEE_OTHER)


@router.post("/people/{login}/withdraw")
async def withdraw(
    services: Parts, viewer: Administering, login: Login, role: Annotated[PersonRole, Form()], units: Units
) -> Response:
    """Take a role back."""

    def act(conn: Connection) -> None:
        _require_administered(conn, viewer, login)
        PEOPLE.withdraw(conn, login, RoleGrant(role, units))
        _note(conn, viewer, Act.WITHDRAWN, units, f"{login} {role} {units}")

    await change(services, act)
    return RedirectResponse(link("/people"), _SEE_OTHER)


async def _page(
    request: Request, services: Services, viewer: Viewer, *, problem: str = "", way: str = "", invited: str = ""
) -> Response:
    def read(conn: Connection) -> list[PersonRow]:
        return [row for row in PEOPLE.list_all(conn) if administers_all_of(viewer.person, row.person.grants)]

    context: dict[str, Any] = {"rows": await look(services, read), "roles": list(PersonRole)}
    context |= {"own": viewer.person.patterns(Right.ADMINISTER), "has_provider": services.provider is not None}
    context |= {"problem": problem, "way": way, "invited": invited, "lasts": INVITED_FOR_MS, "now": now_ms()}
    return page(request, viewer, "people.html", status=_UNPROCESSABLE if problem else 200, **context)


def _require_administered(conn: Connection, viewer: Viewer, login: str, *, is_new: bool = False) -> None:
    """Go on only when the person administers everything that somebody may do.

    Raises:
        ForbiddenError: they do not; or there is nobody of that name, which looks the same.
    """
    row = next((row for row in PEOPLE.list_all(conn) if row.person.name == login), None)
    if not (is_new if row is None else administers_all_of(viewer.person, row.person.grants)):
        raise ForbiddenError(f"you do not administer all that {login} may do", hint="their administrator may act")


def _note(conn: Connection, viewer: Viewer, act: Act, units: str, subject: str) -> None:
    unit = units.removesuffix(".#") or viewer.person.home
    audit.record(conn, AuditEntry(now_ms(), viewer.person.name, act, subject, unit, address=viewer.address))
