"""Who looks at a page: the cookie's session becomes a person, and every form of a session proves to be of it."""

import asyncio
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Protocol, TypeVar

from fastapi import Request, Response
from sqlalchemy import Connection

from router.pages.errors import ForeignRequestError, LoginNeededError
from router.pages.people import People, Person, Sessions, Throttle
from router.pages.safety import MAX_FORM_BYTES, require_own
from router.storage.transactions import Transaction, in_thread
from schemas.clock import now_ms

BACKGROUND = "x-background"
"""Header of what pages ask by themselves; it does not keep a session alive."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person with a session, and where they are."""

    person: Person
    token: str
    address: str

    @property
    def csrf(self) -> str:
        """What the session's forms carry."""
        return csrf_of(self.token)


class DoorAct(StrEnum):
    """What people do at the door."""

    LOGGED_IN = "logged_in"
    LOGIN_FAILED = "login_failed"
    LOGGED_OUT = "logged_out"
    PASSWORD_SET = "password_set"  # noqa: S105 - the name of an act
    SESSIONS_ENDED = "sessions_ended"
    """Somebody ended their own sessions but one."""


@dataclass(frozen=True, slots=True)
class DoorEntry:
    """An act at the door, for the program's log of acts.

    Args:
        act: what.
        at: when, UTC milliseconds.
        name: the login; empty: nobody has it.
        address: where the request came from.
        home: the unit that it belongs to; empty: none.
        reason: by which provider, or why it failed.
        detail: how many.
    """

    act: DoorAct
    at: int
    name: str
    address: str
    home: str = ""
    reason: str = ""
    detail: str = ""


class PageMaker(Protocol):
    """Makes a program's page; see :func:`router.console.pages.page`."""

    def __call__(
        self, request: Request, visitor: Visitor | None, template: str, *, status: int = 200, **context: object
    ) -> Response:
        """A page: what is answered, for whom, of which template."""
        ...


@dataclass(frozen=True, slots=True)
class Door:
    """What the pages at a program's door stand on.

    Args:
        root: the path below which the program's pages lie.
        people: those who may come in.
        sessions: theirs.
        throttle: of their logins.
        reading: a transaction that reads where they are kept.
        writing: one that writes.
        note: keeps an act in the program's log, in the same transaction.
        page: makes the program's pages.
        has_provider: whether people may log in at an identity provider, too.
        labels: what the program's own fields of forms are called, see :mod:`router.pages.kept_form`.
        cookies: what the names of its cookies begin with; browsers tell hosts apart and not ports, so two programs on
            one machine need two.
    """

    root: str
    people: People
    sessions: Sessions
    throttle: Throttle
    reading: Transaction
    writing: Transaction
    note: Callable[[Connection, DoorEntry], None]
    page: PageMaker
    has_provider: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    cookies: str = "congvan"

    async def look(self, query: Callable[[Connection], T]) -> T:
        """Run queries in one transaction that reads, in a thread."""
        return await in_thread(self.reading, query)

    async def change(self, act: Callable[[Connection], T]) -> T:
        """Run changes in one transaction that writes, in a thread."""
        return await in_thread(self.writing, act)


def door_of(request: Request) -> Door:
    """The door of the program that answers."""
    door: Door = request.app.state.door
    return door


async def visitor_of(request: Request, *, most: int = MAX_FORM_BYTES) -> Visitor:
    """The person who asks; this ends their session's idleness, unless the page asks by itself.

    Args:
        request: with the session's cookie.
        most: bytes that its form may have.

    Raises:
        LoginNeededError: no session, or one that has ended; nothing of the form was read then.
        ForeignRequestError: a change without the session's own token.
    """
    visitor = await present(request)
    await require_form(request, visitor, most=most)
    return visitor


async def present(request: Request) -> Visitor:
    """The same, before anything of a form is read."""
    return await watcher_of(request, note=BACKGROUND not in request.headers)


async def require_form(request: Request, visitor: Visitor, *, most: int = MAX_FORM_BYTES) -> None:
    """Refuse a change that no page of the visitor's session asked for.

    Raises:
        ForeignRequestError: it is one.
        FormTooLargeError: the form has more bytes than it may.
    """
    require_own(request.method, request.headers, most=most)
    if request.method in {"GET", "HEAD"}:
        return
    given = request.headers.get("x-csrf-token") or (await request.form()).get("csrf", "")
    try:
        require_csrf(visitor, given)
    except ForeignRequestError:
        await request.close()
        raise


def require_csrf(visitor: Visitor, given: object) -> None:
    """Refuse what does not carry the token of the visitor's session.

    Raises:
        ForeignRequestError: it does not.
    """
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), visitor.csrf.encode()):
        raise ForeignRequestError("the form is not of this session")


async def watcher_of(request: Request, *, note: bool = False) -> Visitor:
    """The person whose page asks by itself.

    Raises:
        LoginNeededError: no session, or one that has ended.
    """
    token = request.cookies.get(_session_cookie(request), "")
    person = await asyncio.to_thread(_find, door_of(request), token, note=note) if token else None
    if person is None:
        raise LoginNeededError("nobody is logged in, or the session has ended")
    request.state.account = person.name
    return Visitor(person, token, address_of(request))


def _find(door: Door, token: str, *, note: bool) -> Person | None:
    now = now_ms()
    with door.reading() as conn:
        found = door.sessions.find(conn, token, now_ms=now)
    if found is None:
        return None
    person, due = found
    if note and due:
        with door.writing() as conn:
            door.sessions.note_use(conn, token, now_ms=now)
    return person


def csrf_of(token: str) -> str:
    """What the forms of a session carry, made from its token, which it does not reveal."""
    return sha256(f"csrf:{token}".encode()).hexdigest()


def set_session(request: Request, response: Response, token: str) -> None:
    """Give the browser the session's cookie."""
    secure = is_secure(request)
    response.set_cookie(_session_cookie(request), token, secure=secure, httponly=True, samesite="lax", path="/")


def drop_session(request: Request, response: Response) -> None:
    """Take the session's cookie from the browser."""
    secure = is_secure(request)
    response.delete_cookie(_session_cookie(request), secure=secure, httponly=True, samesite="lax", path="/")


def set_device(request: Request, response: Response, token: str, *, max_age: int) -> None:
    """Give the browser what its person is known by past a lock of the name; seconds."""
    name, secure = _of_host(request, "device"), is_secure(request)
    response.set_cookie(name, token, max_age=max_age, secure=secure, httponly=True, samesite="lax", path="/")


def device_of(request: Request) -> str:
    """That token, as the browser brings it; empty: it has none."""
    return request.cookies.get(_of_host(request, "device"), "")


def address_of(request: Request) -> str:
    """Where the request came from."""
    return request.client.host if request.client else ""


def is_secure(request: Request) -> bool:
    """Whether the browser's request came over TLS."""
    return request.url.scheme == "https"


def _session_cookie(request: Request) -> str:
    return _of_host(request, "session")


def _of_host(request: Request, what: str) -> str:
    """A cookie's name; over TLS with the prefix by which a browser lets only this host set it."""
    name = f"{door_of(request).cookies}-{what}"
    return f"__Host-{name}" if is_secure(request) else name
