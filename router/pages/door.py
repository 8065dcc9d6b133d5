"""How people come in and go: the one-time link, the login, the logout, their sessions, and how they want their pages.

The pages of every program's :class:`router.pages.access.Door`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from router.pages import kept_form
from router.pages.access import (
    Door,
    DoorAct,
    DoorEntry,
    Visitor,
    address_of,
    csrf_of,
    device_of,
    door_of,
    drop_session,
    set_device,
    set_session,
    visitor_of,
)
from router.pages.errors import LockedOutError
from router.pages.kept_form import KeptForm
from router.pages.language import N_
from router.pages.people import Attempt, Person, passwords, sessions, throttle
from router.pages.preferences import CHOICES, COOKIES
from router.pages.safety import require_own
from schemas.clock import now_ms
from schemas.hidden import hide
from schemas.text import OneLine

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
OurDoor = Annotated[Door, Depends(door_of)]
Visiting = Annotated[Visitor, Depends(visitor_of)]


@router.get("/login")
async def show_login(request: Request, next: str = "", *, left: bool = False) -> Response:  # noqa: A002 - the parameter's name in the address
    """The login page; ``next`` is where the way was to lead."""
    return login_page(request, following=next, has_left=left)


@router.post("/login")
async def log_in(
    *,
    request: Request,
    door: OurDoor,
    name: Annotated[OneLine, Form(max_length=passwords.MAX_LENGTH)],
    password: Text,
    next: Annotated[str, Form()] = "",  # noqa: A002 - as above
    kept: Annotated[str, Form(max_length=kept_form.MAX_LENGTH)] = "",
) -> Response:
    """Open a session for whoever knows the password; a form that was filled when the last one ended is shown again."""
    hide([password])
    login = name.strip().lower()
    attempt = Attempt(login, address_of(request), device_of(request)[:_MAX_DEVICE])

    def begin(conn: Connection) -> str | None:
        door.throttle.begin(conn, attempt, now_ms=now_ms())
        return door.people.password_of(conn, login)

    try:
        async with passwords.turn(attempt.address):
            stored = await door.change(begin)
            right = await passwords.is_password(stored, password)
    except LockedOutError as error:
        values = {"span": error.seconds * 1000}
        response = login_page(request, status=429, following=next, name=name, problem=LOCKED, values=values, kept=kept)
        response.headers["retry-after"] = str(error.seconds)
        return response
    new_hash = await passwords.hash_password(password) if right and stored and passwords.is_outdated(stored) else ""

    def finish(conn: Connection) -> tuple[str, str]:
        person = door.people.end_login(conn, login, stored, new_hash=new_hash) if right and stored else None
        if person is None:
            # A name that nobody has may be a password typed into the wrong field: it is not kept.
            known = login if stored else ""
            door.note(conn, DoorEntry(DoorAct.LOGIN_FAILED, now_ms(), known, attempt.address))
            return "", ""
        door.throttle.succeed(conn, attempt, now_ms=now_ms())
        token = begin_session(conn, door, person, DoorAct.LOGGED_IN, attempt.address)
        return token, door.throttle.remember_device(conn, login, now_ms=now_ms())

    token, device = await door.change(finish)
    if not token:
        return login_page(request, status=401, following=next, name=name, problem=_WRONG, kept=kept)
    form = kept_form.read(kept, door.root) if kept else None
    response = enter(request, token, next) if form is None else _show_again(request, token, form)
    set_device(request, response, device, max_age=throttle.DEVICE_DAYS * 24 * 3600)
    return response


@router.get("/welcome")
async def show_welcome(request: Request, door: OurDoor, token: Annotated[str, Query(max_length=100)] = "") -> Response:
    """The page of a one-time link: its person chooses a password."""
    person = await door.look(lambda conn: door.people.invited(conn, token, now_ms=now_ms()))
    return door.page(request, None, "welcome.html", person=person, token=token, problem="", least=passwords.MIN_LENGTH)


@router.post("/welcome")
async def welcome(request: Request, door: OurDoor, token: Text, password: Text, again: Text) -> Response:
    """Set the password and open a session."""
    hide([token, password, again])
    person = await door.look(lambda conn: door.people.invited(conn, token, now_ms=now_ms()))
    problem = _problem_of(password, again, person.name)
    if problem:
        context = {"person": person, "token": token, "problem": problem, "least": passwords.MIN_LENGTH}
        return door.page(request, None, "welcome.html", status=_UNPROCESSABLE, **context)
    hashed = await passwords.hash_password(password)

    def finish(conn: Connection) -> str:
        known = door.people.set_password(conn, token, hashed, now_ms=now_ms())
        return begin_session(conn, door, known, DoorAct.PASSWORD_SET, address_of(request))

    return enter(request, await door.change(finish), "")


def _problem_of(password: str, again: str, name: str) -> str:
    """What is wrong with a new password; empty: nothing."""
    if len(password) < passwords.MIN_LENGTH:
        return _TOO_SHORT
    if passwords.is_common(password, name):
        return _TOO_COMMON
    return _MISMATCH if password != again else ""


@router.post("/logout")
async def log_out(request: Request, door: OurDoor, visitor: Visiting) -> Response:
    """End the session."""

    def finish(conn: Connection) -> None:
        door.sessions.end(conn, visitor.token)
        door.note(conn, _entry(DoorAct.LOGGED_OUT, visitor.person, visitor.address))

    await door.change(finish)
    response = RedirectResponse(f"{door.root}/login?left=true", _SEE_OTHER)
    drop_session(request, response)
    return response


@router.get("/sessions")
async def show_sessions(request: Request, door: OurDoor, visitor: Visiting) -> Response:
    """A person's own sessions that last, the latest first."""
    name, token = visitor.person.name, visitor.token
    rows = await door.look(lambda conn: door.sessions.of_person(conn, name, token, now_ms=now_ms()))
    spans = {"idle": sessions.IDLE_MS, "longest": sessions.LONGEST_MS}
    return door.page(request, visitor, "sessions.html", rows=rows, **spans)


@router.post("/sessions/end-others")
async def end_others(door: OurDoor, visitor: Visiting) -> Response:
    """End all but this one, at once."""

    def act(conn: Connection) -> None:
        if count := door.sessions.end_others(conn, visitor.person.name, visitor.token):
            door.note(conn, _entry(DoorAct.SESSIONS_ENDED, visitor.person, visitor.address, detail=str(count)))

    await door.change(act)
    return RedirectResponse(f"{door.root}/sessions", _SEE_OTHER)


@router.post("/preferences")
async def prefer(request: Request, door: OurDoor, back: Annotated[str, Form()] = "") -> Response:
    """Keep how somebody wants pages, and go back to where they were."""
    form = await request.form()
    response = RedirectResponse(_own(door, back), _SEE_OTHER)
    for name, choices in CHOICES.items():
        if form.get(name) in choices:
            response.set_cookie(
                COOKIES[name], str(form[name]), max_age=_A_YEAR, samesite="lax", path="/", httponly=True
            )
    return response


def way_to_login(request: Request) -> str:
    """The login page's address, which leads back here."""
    root = door_of(request).root
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    leads_back = here != f"{root}/" and request.method == "GET"
    return f"{root}/login" + (f"?{urlencode({'next': here})}" if leads_back else "")


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
    door = door_of(request)
    context = {"next": following, "name": name, "problem": problem, "values": values, "has_left": has_left}
    context |= {"kept": kept, "has_provider": door.has_provider}
    return door.page(request, None, "login.html", status=status, **context)


def begin_session(conn: Connection, door: Door, person: Person, act: DoorAct, address: str, *, reason: str = "") -> str:
    """Open a session for a person and note it; the token for the cookie."""
    door.note(conn, _entry(act, person, address, reason=reason))
    return door.sessions.begin(conn, person.name, now_ms=now_ms(), address=address)


def enter(request: Request, token: str, following: str) -> Response:
    """The way in, with the session's cookie."""
    response = RedirectResponse(_own(door_of(request), following), _SEE_OTHER)
    set_session(request, response, token)
    return response


def _entry(act: DoorAct, person: Person, address: str, *, reason: str = "", detail: str = "") -> DoorEntry:
    return DoorEntry(act, now_ms(), person.name, address, person.home, reason, detail)


def _show_again(request: Request, token: str, form: KeptForm) -> Response:
    """The form of the session that had ended, to be sent in the new one."""
    door = door_of(request)
    own, filled = form.divided(door.labels)
    context: dict[str, Any] = {
        "form": form,
        "own": own,
        "filled": filled,
        "labels": door.labels,
        "csrf": csrf_of(token),
    }
    response = door.page(request, None, "again.html", **context)
    set_session(request, response, token)
    return response


def _own(door: Door, address: str) -> str:
    """An address of ours, or the first page: a form must not lead to another site."""
    home = f"{door.root}/"
    is_ours = address.startswith(home) and not set(address) & set("\\\r\n\t") and "//" not in address.partition("?")[0]
    return address if is_ours else home
