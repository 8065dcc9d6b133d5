"""How people come in and go: the one-time link, the login, the logout, and how they want their pages."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from router.console.access import (
    Looking,
    Parts,
    address_of,
    csrf_of,
    device_cookie,
    drop_session,
    services_of,
    set_device,
    set_session,
)
from router.console.pages import ROOT, page
from router.console.reads import change, look
from router.ledger.people import audit
from router.ledger.people.audit import Act, AuditEntry
from router.ledger.people.persons import PEOPLE, SESSIONS, THROTTLE
from router.pages import kept_form
from router.pages.errors import LockedOutError
from router.pages.kept_form import KeptForm
from router.pages.language import N_
from router.pages.people import Attempt, Person, passwords, throttle
from router.pages.preferences import CHOICES, COOKIES
from router.pages.safety import require_own
from schemas.clock import now_ms
from schemas.hidden import hide
from schemas.ids import new_id
from schemas.text import OneLine

_HOME = f"{ROOT}/"
_A_YEAR = 365 * 24 * 3600
_WRONG = N_("The name or the password is wrong.")
LOCKED = N_("Too many attempts have failed; wait %(span)s.")
_MISMATCH = N_("The two passwords differ.")
_TOO_SHORT = N_("The password has fewer than %(least)s characters.")
_TOO_COMMON = N_("This password is known to those who guess; choose a phrase of your own.")
_MAX_DEVICE = 100
_SEE_OTHER = 303
_UNPROCESSABLE = 422


async def from_here(request: Request) -> None:
    """A dependency of forms that need no session: they come from a page of ours."""
    require_own(request.method, request.headers)


router = APIRouter(dependencies=[Depends(from_here)])
Text = Annotated[str, Form(max_length=passwords.MAX_LENGTH)]


@router.get("/login")
async def show_login(request: Request, next: str = "", *, left: bool = False) -> Response:  # noqa: A002 - the parameter's name in the address
    """The login page; ``next`` is where the way was to lead."""
    return login_page(request, following=next, has_left=left)


@router.post("/login")
async def log_in(
    *,
    request: Request,
    services: Parts,
    name: Annotated[OneLine, Form(max_length=passwords.MAX_LENGTH)],
    password: Text,
    next: Annotated[str, Form()] = "",  # noqa: A002 - as above
    kept: Annotated[str, Form(max_length=kept_form.MAX_LENGTH)] = "",
) -> Response:
    """Open a session for whoever knows the password; a form that was filled when the last one ended is shown again."""
    hide([password])
    login = name.strip().lower()
    attempt = Attempt(login, address_of(request), request.cookies.get(device_cookie(request), "")[:_MAX_DEVICE])

    def begin(conn: Connection) -> str | None:
        THROTTLE.begin(conn, attempt, now_ms=now_ms())
        return PEOPLE.password_of(conn, login)

    try:
        async with passwords.turn(attempt.address):
            stored = await change(services, begin)
            right = await passwords.is_password(stored, password)
    except LockedOutError as error:
        values = {"span": error.seconds * 1000}
        response = login_page(request, status=429, following=next, name=name, problem=LOCKED, values=values, kept=kept)
        response.headers["retry-after"] = str(error.seconds)
        return response
    new_hash = await passwords.hash_password(password) if right and stored and passwords.is_outdated(stored) else ""

    def finish(conn: Connection) -> tuple[str, str]:
        person = PEOPLE.end_login(conn, login, stored, new_hash=new_hash) if right and stored else None
        if person is None:
            # A name that nobody has may be a password typed into the wrong field: it is not kept.
            known = login if stored else ""
            audit.record(conn, AuditEntry(now_ms(), known, Act.LOGIN_FAILED, known, address=address_of(request)))
            return "", ""
        THROTTLE.succeed(conn, attempt, now_ms=now_ms())
        token = begin_session(conn, person, Act.LOGGED_IN, address_of(request))
        return token, THROTTLE.remember_device(conn, login, now_ms=now_ms())

    token, device = await change(services, finish)
    if not token:
        return login_page(request, status=401, following=next, name=name, problem=_WRONG, kept=kept)
    form = kept_form.read(kept) if kept else None
    response = enter(request, token, next) if form is None else _show_again(request, token, form)
    set_device(request, response, device, max_age=throttle.DEVICE_DAYS * 24 * 3600)
    return response


@router.get("/welcome")
async def show_welcome(
    request: Request, services: Parts, token: Annotated[str, Query(max_length=100)] = ""
) -> Response:
    """The page of a one-time link: its person chooses a password."""
    person = await look(services, lambda conn: PEOPLE.invited(conn, token, now_ms=now_ms()))
    return page(request, None, "welcome.html", person=person, token=token, problem="", least=passwords.MIN_LENGTH)


@router.post("/welcome")
async def welcome(request: Request, services: Parts, token: Text, password: Text, again: Text) -> Response:
    """Set the password and open a session."""
    hide([token, password, again])
    person = await look(services, lambda conn: PEOPLE.invited(conn, token, now_ms=now_ms()))
    problem = _problem_of(password, again, person.name)
    if problem:
        context = {"person": person, "token": token, "problem": problem, "least": passwords.MIN_LENGTH}
        return page(request, None, "welcome.html", status=_UNPROCESSABLE, **context)
    hashed = await passwords.hash_password(password)

    def finish(conn: Connection) -> str:
        return begin_session(
            conn, PEOPLE.set_password(conn, token, hashed, now_ms=now_ms()), Act.PASSWORD_SET, address_of(request)
        )

    return enter(request, await change(services, finish), "")


def _problem_of(password: str, again: str, name: str) -> str:
    """What is wrong with a new password; empty: nothing."""
    if len(password) < passwords.MIN_LENGTH:
        return _TOO_SHORT
    if passwords.is_common(password, name):
        return _TOO_COMMON
    return _MISMATCH if password != again else ""


@router.post("/logout")
async def log_out(request: Request, services: Parts, viewer: Looking) -> Response:
    """End the session."""

    def finish(conn: Connection) -> None:
        SESSIONS.end(conn, viewer.token)
        name, home = viewer.person.name, viewer.person.home
        audit.record(conn, AuditEntry(now_ms(), name, Act.LOGGED_OUT, name, home, address=viewer.address))

    await change(services, finish)
    response = RedirectResponse(f"{ROOT}/login?left=true", _SEE_OTHER)
    drop_session(request, response)
    return response


@router.post("/preferences")
async def prefer(request: Request, back: Annotated[str, Form()] = "") -> Response:
    """Keep how somebody wants pages, and go back to where they were."""
    form = await request.form()
    response = RedirectResponse(_own(back), _SEE_OTHER)
    for name, choices in CHOICES.items():
        if form.get(name) in choices:
            response.set_cookie(
                COOKIES[name], str(form[name]), max_age=_A_YEAR, samesite="lax", path="/", httponly=True
            )
    return response


def way_to_login(request: Request) -> str:
    """The login page's address, which leads back here."""
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"{ROOT}/login" + ("" if here == _HOME or request.method != "GET" else f"?{urlencode({'next': here})}")


def login_page(
    request: Request,
    *,
    status: int = 200,
    following: str = "",
    name: str = "",
    problem: str = "",
    values: Mapping[str, int] = MappingProxyType({}),
    has_left: bool = False,
    kept: str = "",
) -> Response:
    """The login page, with the way to the identity provider where there is one.

    Args:
        request: what is answered.
        status: the answer's.
        following: where the way leads after the login.
        name: what was typed.
        problem: why there is no session yet.
        values: what the problem names.
        has_left: whether a session has just ended here.
        kept: a form that was filled when the session ended.
    """
    context = {"next": following, "name": name, "problem": problem, "values": values, "has_left": has_left}
    context |= {"kept": kept}
    has_provider = services_of(request).provider is not None
    return page(request, None, "login.html", status=status, has_provider=has_provider, **context)


def begin_session(conn: Connection, person: Person, act: Act, address: str, *, reason: str = "") -> str:
    """Open a session for a person and note it; the token for the cookie."""
    now = now_ms()
    audit.record(conn, AuditEntry(now, person.name, act, person.name, person.home, reason=reason, address=address))
    return SESSIONS.begin(conn, person.name, now_ms=now, address=address)


def _show_again(request: Request, token: str, form: KeptForm) -> Response:
    """The form of the session that had ended, to be sent in the new one."""
    needs_token = new_id() if form.action == f"{ROOT}/redrives" else ""
    context: dict[str, Any] = {
        "form": form,
        "labels": kept_form.LABELS,
        "csrf": csrf_of(token),
        "needs_token": needs_token,
    }
    response = page(request, None, "again.html", **context)
    set_session(request, response, token)
    return response


def enter(request: Request, token: str, following: str) -> Response:
    """The way into the console, with the session's cookie."""
    response = RedirectResponse(_own(following), _SEE_OTHER)
    set_session(request, response, token)
    return response


def _own(address: str) -> str:
    """An address of ours, or the first page: a form must not lead to another site."""
    is_ours = address.startswith(_HOME) and not set(address) & set("\\\r\n\t") and "//" not in address.partition("?")[0]
    return address if is_ours else _HOME
