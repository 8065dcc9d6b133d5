"""Who looks at a page: the cookie's session becomes a viewer, and every form of a session proves to be of it."""

import asyncio
import hmac
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated

from fastapi import Depends, Form, Path, Query, Request, Response

from router.errors import ForbiddenError
from router.faces import Services
from router.ledger.engine import reading, writing
from router.ledger.people.persons import SESSIONS, Right, scope_of
from router.ledger.scope import Scope
from router.ledger.units.unit_acts import MAX_REASON, By
from router.pages.errors import ForeignRequestError, LoginNeededError
from router.pages.language import N_
from router.pages.people import Person
from router.pages.safety import MAX_FORM_BYTES, require_own
from router.words.filters import MAX_LENGTH
from schemas.clock import now_ms
from schemas.codes import UnitCode
from schemas.text import OneLine

BACKGROUND = "x-background"
"""Header of what pages ask by themselves; it does not keep a session alive."""
MAX_LIST_FORM_BYTES = 1024 * 1024
"""A form that brings a list of units, as a file or as it was looked at."""
_COOKIE = "congvan-session"
_DEVICE = "congvan-device"


@dataclass(frozen=True, slots=True)
class Viewer:
    """A person with a session, and where they are."""

    person: Person
    token: str
    address: str

    def by(self, reason: str) -> By:
        """The person as the one who acts now, and why."""
        return By(self.person.name, reason, now_ms(), self.address)

    @property
    def csrf(self) -> str:
        """What the session's forms carry."""
        return csrf_of(self.token)

    @property
    def scope(self) -> Scope:
        """What the person sees."""
        return scope_of(self.person)

    @property
    def sees_part(self) -> bool:
        """Whether the person sees only a part of the organisation."""
        whole = (pattern for pattern in self.scope.units if pattern.endswith(".#") and "." not in pattern[:-2])
        return not self.scope.everything and not any(whole)

    @property
    def may_audit(self) -> bool:
        """Whether there is an audit log for the person."""
        return bool(self.person.patterns(Right.AUDIT))

    @property
    def may_administer(self) -> bool:
        """Whether there are units that the person administers."""
        return bool(self.person.patterns(Right.ADMINISTER))

    @property
    def may_act(self) -> bool:
        """Whether there are units on whose deliveries the person may act."""
        return bool(self.person.patterns(Right.ACT))


def csrf_of(token: str) -> str:
    """What the forms of a session carry, made from its token, which it does not reveal."""
    return sha256(f"csrf:{token}".encode()).hexdigest()


def services_of(request: Request) -> Services:
    """The parts the console was made over."""
    services: Services = request.app.state.services
    return services


async def viewer_of(request: Request) -> Viewer:
    """The person who asks; this ends their session's idleness.

    Raises:
        LoginNeededError: no session, or one that has ended.
        ForeignRequestError: a change without the session's own token.
    """
    viewer = await _present(request)
    await _require_form(request, viewer, MAX_FORM_BYTES)
    return viewer


async def bringer_of(request: Request) -> Viewer:
    """:func:`viewer_of`, for a form that brings a list of units: it may be longer than any other.

    Raises:
        LoginNeededError: as there; nothing of the form was read then.
        ForbiddenError: there are no units that the person administers; as little was.
        ForeignRequestError: as there.
    """
    viewer = await _present(request)
    if not viewer.may_administer:
        raise ForbiddenError(f"{viewer.person.name} is no administrator", hint="an administrator grants the role")
    await _require_form(request, viewer, MAX_LIST_FORM_BYTES)
    return viewer


async def _present(request: Request) -> Viewer:
    return await watcher_of(request, note=BACKGROUND not in request.headers)


async def _require_form(request: Request, viewer: Viewer, most: int) -> None:
    require_own(request.method, request.headers, most=most)
    if request.method not in {"GET", "HEAD"}:
        await _require_token(request, viewer)


async def watcher_of(request: Request, *, note: bool = False) -> Viewer:
    """The person whose page asks by itself.

    Raises:
        LoginNeededError: no session, or one that has ended.
    """
    token = request.cookies.get(cookie_name(request), "")
    person = await asyncio.to_thread(_find, services_of(request), token, note=note) if token else None
    if person is None:
        raise LoginNeededError("nobody is logged in, or the session has ended")
    request.state.account = person.name
    return Viewer(person, token, address_of(request))


async def watching(request: Request) -> Viewer:
    """:func:`watcher_of` as a dependency."""
    return await watcher_of(request)


async def auditor_of(viewer: Annotated[Viewer, Depends(viewer_of)]) -> Viewer:
    """The person who asks, when there is an audit log for them.

    Raises:
        ForbiddenError: there is none.
    """
    if not viewer.may_audit:
        raise ForbiddenError(f"{viewer.person.name} is no auditor", hint="an administrator grants the role")
    return viewer


def set_session(request: Request, response: Response, token: str) -> None:
    """Give the browser the session's cookie."""
    secure = is_secure(request)
    response.set_cookie(cookie_name(request), token, secure=secure, httponly=True, samesite="lax", path="/")


def drop_session(request: Request, response: Response) -> None:
    """Take the session's cookie from the browser."""
    response.delete_cookie(cookie_name(request), secure=is_secure(request), httponly=True, samesite="lax", path="/")


def cookie_name(request: Request) -> str:
    """The cookie's name; over TLS with the prefix by which a browser lets only this host set it."""
    return f"__Host-{_COOKIE}" if is_secure(request) else _COOKIE


def set_device(request: Request, response: Response, token: str, *, max_age: int) -> None:
    """Give the browser what its person is known by past a lock of the name; seconds."""
    secure = is_secure(request)
    response.set_cookie(
        device_cookie(request), token, max_age=max_age, secure=secure, httponly=True, samesite="lax", path="/"
    )


def device_cookie(request: Request) -> str:
    """The name of that cookie."""
    return f"__Host-{_DEVICE}" if is_secure(request) else _DEVICE


def address_of(request: Request) -> str:
    """Where the request came from."""
    return request.client.host if request.client else ""


def is_secure(request: Request) -> bool:
    """Whether the browser's request came over TLS."""
    return request.url.scheme == "https"


async def _require_token(request: Request, viewer: Viewer) -> None:
    given = request.headers.get("x-csrf-token") or (await request.form()).get("csrf", "")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), viewer.csrf.encode()):
        await request.close()
        raise ForeignRequestError("the form is not of this session")


def _find(services: Services, token: str, *, note: bool) -> Person | None:
    now = now_ms()
    with reading(services.engine) as conn:
        found = SESSIONS.find(conn, token, now_ms=now)
    if found is None:
        return None
    person, due = found
    if note and due:
        with writing(services.engine) as conn:
            SESSIONS.note_use(conn, token, now_ms=now)
    return person


Looking = Annotated[Viewer, Depends(viewer_of)]
Bringing = Annotated[Viewer, Depends(bringer_of)]
Watching = Annotated[Viewer, Depends(watching)]
Auditing = Annotated[Viewer, Depends(auditor_of)]
Parts = Annotated[Services, Depends(services_of)]
FilterText = Annotated[str, Query(max_length=2 * MAX_LENGTH)]
"""A filter in the address; one that is too long gets a message of its own."""
Code = Annotated[UnitCode, Path()]
Reason = Annotated[OneLine, Form(max_length=MAX_REASON)]
NO_REASON = N_("Say why; it is kept in the audit log.")
