"""The way in through an identity provider: there, back with a code, and the same session as behind a password."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from router.console.access import Parts, note_at_door
from router.console.pages import ROOT
from router.console.reads import change
from router.errors import NotFoundError
from router.faces import Services
from router.identity import Identity, Provider, ProviderDownError, ProviderRefusedError, flow
from router.ledger.people import identities
from router.pages.access import DoorAct, DoorEntry, address_of, door_of, is_secure
from router.pages.door import begin_session, enter, login_page
from router.pages.language import N_
from schemas.clock import now_ms

_COOKIE = "congvan-provider"
_LASTS = 600
"""Seconds that a person may take at the provider."""
_MOST_FOLLOWING = 1500
"""Characters; a browser keeps no cookie above 4 kB."""
_SEE_OTHER = 303
_DOWN = N_("The identity provider does not answer. Log in with a password, or try again later.")
_REFUSED = N_("The login at the identity provider did not succeed. Begin it again.")
_UNKNOWN = N_("Nobody was invited with this account. An administrator can invite you with your e-mail address.")

router = APIRouter()
Text = Annotated[str, Query(max_length=4000)]


@router.get("/login/provider")
async def to_provider(request: Request, services: Parts, next: Text = "") -> Response:  # noqa: A002 - the parameter's name in the address
    """The way to the provider."""
    if services.provider is None:
        raise NotFoundError("no identity provider is configured", hint="set CONGVAN_OIDC_ISSUER")
    begun = flow.begin(next if len(next) <= _MOST_FOLLOWING else "")
    try:
        way = await services.provider.begin(begun, _back(request))
    except ProviderDownError:
        return login_page(request, problem=_DOWN, status=503, following=next)
    response = RedirectResponse(way, _SEE_OTHER)
    response.set_cookie(
        _cookie(request), begun.written(), max_age=_LASTS, secure=is_secure(request), httponly=True, samesite="lax"
    )
    return response


@router.get("/login/provider/back")
async def from_provider(request: Request, services: Parts, code: Text = "", state: Text = "") -> Response:
    """Open a session for the person whom the provider names."""
    if services.provider is None:
        raise NotFoundError("no identity provider is configured", hint="set CONGVAN_OIDC_ISSUER")
    begun = flow.read(request.cookies.get(_cookie(request), ""))
    try:
        identity = await _proven(services.provider, request, begun, code=code, state=state)
    except ProviderDownError:
        return _without_cookie(request, login_page(request, problem=_DOWN, status=503))
    except ProviderRefusedError as error:
        await _note_failure(services, request, error.detail)
        return _without_cookie(request, login_page(request, problem=_REFUSED, status=401))
    return _without_cookie(request, await _let_in(services, request, identity, begun.following if begun else ""))


@router.get("/logout/provider")
async def leave_provider(request: Request, services: Parts) -> Response:
    """The way to where the browser's session at the provider ends; the console's own has ended by then."""
    login = f"{ROOT}/login"
    if services.provider is None:
        return RedirectResponse(login, _SEE_OTHER)
    try:
        way = await services.provider.leave(f"{_origin(request)}{login}")
    except ProviderDownError:
        return login_page(request, problem=_DOWN, status=503)
    return RedirectResponse(way or login, _SEE_OTHER)


async def _proven(provider: Provider, request: Request, begun: flow.Begun | None, *, code: str, state: str) -> Identity:
    if begun is None or not begun.answers(state):
        raise ProviderRefusedError("the answer belongs to no login that this browser began")
    if not code:
        raise ProviderRefusedError("the provider gives no code: the person or the provider said no")
    return await provider.finish(code, begun, _back(request))


async def _let_in(services: Services, request: Request, identity: Identity, following: str) -> Response:
    def finish(conn: Connection) -> str:
        person = identities.enter(conn, issuer=identity.issuer, subject=identity.subject, email=identity.email)
        return begin_session(
            conn, door_of(request), person, DoorAct.LOGGED_IN, address_of(request), reason=identity.issuer
        )

    try:
        return enter(request, await change(services, finish), following)
    except NotFoundError:
        await _note_failure(services, request, f"nobody is {identity.subject}")
        return login_page(request, problem=_UNKNOWN, status=403)


async def _note_failure(services: Services, request: Request, reason: str) -> None:
    entry = DoorEntry(DoorAct.LOGIN_FAILED, now_ms(), "", address_of(request), reason=reason)
    await change(services, lambda conn: note_at_door(conn, entry))


def _without_cookie(request: Request, response: Response) -> Response:
    """A login is answered once."""
    response.delete_cookie(_cookie(request), secure=is_secure(request), httponly=True, samesite="lax")
    return response


def _cookie(request: Request) -> str:
    return f"__Host-{_COOKIE}" if is_secure(request) else _COOKIE


def _origin(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


def _back(request: Request) -> str:
    """Where the provider sends the browser; it takes no other than those that are registered with it."""
    return f"{_origin(request)}{ROOT}/login/provider/back"
