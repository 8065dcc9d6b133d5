"""Accounts of programs and their tokens: listed, made, replaced, ended, withdrawn by administrators of their units."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from router.console.access import NO_REASON, Parts, Reason, Viewer, viewer_of
from router.console.pages import link, page
from router.console.reads import change, look
from router.console.unit_acts import day_of, end_of
from router.errors import AccountExistsError, ForbiddenError, MalformedError, NotFoundError, RefusedError
from router.faces import Services
from router.ledger.acts import token_acts
from router.ledger.people import accounts, rights
from router.ledger.people.accounts import AccountRow
from router.ledger.people.persons import Right, scope_of
from router.pages.language import N_
from router.words import terms
from schemas.accounts import Account, Role, parse_account
from schemas.clock import now_ms
from schemas.hidden import hide
from schemas.rights import DEFAULTS, Rights, exceed
from schemas.text import OneLine

_SEE_OTHER, _UNPROCESSABLE, _SHOWN = 303, 422, 100
_NO_NAME = N_("Those units or that label cannot be read; write LCA.02.05, LCA.02.# and a label of a-z, 0-9 and dashes.")
_NOT_YOURS = N_("You administer only a part of these units.")
_IN_USE = N_("There is such an account already; replace its token on its page.")
_NO_DAY = N_("That is no day that is still to come; choose one in the calendar.")
_NOT_NOW = N_("That cannot be done now: the account has ended, or its token was replaced meanwhile.")
router = APIRouter()
Day = Annotated[str, Form(max_length=10)]
Name = Annotated[str, Query(max_length=130)]
NameField = Annotated[str, Form(alias="account", max_length=130)]


async def administrator_of(viewer: Annotated[Viewer, Depends(viewer_of)]) -> Viewer:
    """The person who asks, when there are units that they administer.

    Raises:
        ForbiddenError: there are none.
    """
    if not viewer.may_administer:
        raise ForbiddenError(f"{viewer.person.name} is no administrator", hint="an administrator grants the role")
    return viewer


Administering = Annotated[Viewer, Depends(administrator_of)]


@router.get("/tokens")
async def show_tokens(request: Request, services: Parts, viewer: Administering, after: Name = "") -> Response:
    """The accounts of the units that the person administers, by name, and the form that makes one."""
    return await _list(request, services, viewer, after=after)


@router.post("/tokens")
async def make_token(
    *,
    request: Request,
    services: Parts,
    viewer: Administering,
    role: Annotated[Role, Form()],
    units: Annotated[OneLine, Form(max_length=110)] = "",
    label: Annotated[OneLine, Form(max_length=31)] = "",
    day: Day = "",
    reason: Reason = "",
) -> Response:
    """Make an account and show its token, this once. A second click makes no second one."""
    typed = {"role": role.value, "units": units.upper(), "label": label, "day": day, "reason": reason}
    account, problem = _account(viewer, role, units.upper(), label)
    expires_at, wrong = _end(day, services)
    problem = problem or wrong or ("" if reason else NO_REASON)
    if account is None or problem:
        return await _list(request, services, viewer, problem=problem, **typed)
    by, may = viewer.by(reason), _rights(viewer, account)
    try:
        token = await change(services, lambda conn: token_acts.make(conn, account, by, expires_at=expires_at, may=may))
    except AccountExistsError:
        return await _list(request, services, viewer, problem=_IN_USE, **typed)
    return _told(request, viewer, account, token)


@router.get("/tokens/one")
async def show_token(request: Request, services: Parts, viewer: Administering, name: Name) -> Response:
    """One account: what it may send, and what can be done with its token."""
    return await _one(request, services, viewer, _own(viewer, name))


@router.post("/tokens/replace")
async def replace_token(
    *,
    request: Request,
    services: Parts,
    viewer: Administering,
    account_name: NameField,
    seen: Annotated[str, Form(max_length=16)],
    day: Day = "",
    reason: Reason = "",
) -> Response:
    """Give an account another token and show it, this once; the previous one is no longer good."""
    account = _own(viewer, account_name)
    expires_at, problem = _end(day, services)
    problem = problem or ("" if reason else NO_REASON)
    if problem:
        return await _one(request, services, viewer, account, problem=problem)
    by = viewer.by(reason)

    def act(conn: Connection) -> str:
        _require_no_more(conn, viewer, account)
        return token_acts.replace(conn, account, by, expires_at=expires_at, seen=seen)

    try:
        token = await change(services, act)
    except RefusedError:
        return await _one(request, services, viewer, account, problem=_NOT_NOW)
    return _told(request, viewer, account, token)


@router.post("/tokens/end")
async def let_token_end(
    *,
    request: Request,
    services: Parts,
    viewer: Administering,
    account_name: NameField,
    day: Day = "",
    reason: Reason = "",
) -> Response:
    """Have a token end with a day, or never; it stays the same."""
    account = _own(viewer, account_name)
    expires_at, problem = _end(day, services)
    by = viewer.by(reason)
    return await _do(
        request,
        services,
        viewer,
        account,
        lambda conn: token_acts.let_end(conn, account, expires_at, by),
        problem=problem or ("" if reason else NO_REASON),
    )


@router.post("/tokens/withdraw")
async def withdraw_token(
    *, request: Request, services: Parts, viewer: Administering, account_name: NameField, reason: Reason = ""
) -> Response:
    """End an account at once, at the web API and at the broker."""
    account, by = _own(viewer, account_name), viewer.by(reason)
    problem = "" if reason else NO_REASON
    return await _do(
        request,
        services,
        viewer,
        account,
        lambda conn: token_acts.withdraw(conn, account, by),
        problem=problem,
    )


async def _do(
    request: Request,
    services: Services,
    viewer: Viewer,
    account: Account,
    act: Callable[[Connection], Any],
    *,
    problem: str,
) -> Response:
    def query(conn: Connection) -> None:
        _require_no_more(conn, viewer, account)
        act(conn)

    if not problem:
        try:
            await change(services, query)
        except RefusedError:
            problem = _NOT_NOW
    if problem:
        return await _one(request, services, viewer, account, problem=problem)
    return RedirectResponse(link("/tokens/one", name=account.name), _SEE_OTHER)


def _account(viewer: Viewer, role: Role, units: str, label: str) -> tuple[Account | None, str]:
    try:
        account = parse_account(":".join(filter(None, (role.value, units, label))))
    except ValueError:
        return None, _NO_NAME
    return account, "" if may_manage(viewer, account) else _NOT_YOURS


def may_manage(viewer: Viewer, account: Account) -> bool:
    """Whether a person may make and end an account: they administer all its units; metrics are of all there are."""
    scope = scope_of(viewer.person, Right.ADMINISTER)
    return scope.covers_all([account.pattern]) and (account.role is not Role.WATCHER or viewer.administers_whole)


def _rights(viewer: Viewer, account: Account) -> Rights | None:
    """Whoever administers a part lets nobody write to the whole: an issuer of theirs has what a gateway has."""
    return DEFAULTS[Role.GATEWAY] if account.role is Role.ISSUER and not viewer.administers_whole else None


def _has_more(viewer: Viewer, may: Rights) -> bool:
    """Whether an account may send what the person could not give it: somebody who administers more decides on it."""
    given = DEFAULTS[Role.GATEWAY]
    reach = *given.reach, *viewer.person.patterns(Right.ADMINISTER)
    return not viewer.administers_whole and exceed(may, replace(given, reach=reach))


def _require_no_more(conn: Connection, viewer: Viewer, account: Account) -> None:
    """Go on only when the person could have given an account all that it may send.

    Raises:
        ForbiddenError: they could not; its token would be a way to send as they may not.
    """
    if _has_more(viewer, rights.rights_of(conn, account)):
        hint = "who administers the whole organisation may act"
        raise ForbiddenError(f"{account.name} may send more than {viewer.person.name} may give", hint=hint)


def _own(viewer: Viewer, name: str) -> Account:
    """An account that the person may manage.

    Raises:
        NotFoundError: there is none of that name for them.
    """
    try:
        account = parse_account(name)
    except ValueError:
        account = None
    if account is None or not may_manage(viewer, account):
        raise NotFoundError(f"there is no account {name} that {viewer.person.name} may see")
    return account


def _end(day: str, services: Services) -> tuple[int | None, str]:
    """When a token with that last day ends (UTC ms; None: never), and what is wrong with the day."""
    if not day:
        return None, ""
    try:
        end = end_of(day_of(day), services)
    except MalformedError:
        return None, _NO_DAY
    return end, "" if end > now_ms() else _NO_DAY


def _told(request: Request, viewer: Viewer, account: Account, token: str) -> Response:
    """The only page that ever shows a token; no cache keeps it."""
    hide([token])
    return page(request, viewer, "token_made.html", account=account, token=token)


async def _list(
    request: Request, services: Services, viewer: Viewer, *, after: str = "", problem: str = "", **typed: str
) -> Response:
    patterns = viewer.person.patterns(Right.ADMINISTER)
    found = await look(services, lambda conn: accounts.accounts_of(conn, patterns, after=after, limit=_SHOWN + 1))
    rows = [row for row in found[:_SHOWN] if may_manage(viewer, row.account)]
    return page(
        request,
        viewer,
        "tokens.html",
        status=_UNPROCESSABLE if problem else 200,
        rows=rows,
        following=found[_SHOWN - 1].name if len(found) > _SHOWN else "",
        roles=[role for role in Role if role is not Role.WATCHER or viewer.administers_whole],
        kinds=terms.ACCOUNT_ROLES,
        now=now_ms(),
        problem=problem,
        whole=viewer.administers_whole,
        typed={"role": "gateway", "units": "", "label": "", "day": "", "reason": ""} | typed,
    )


async def _one(
    request: Request, services: Services, viewer: Viewer, account: Account, *, problem: str = ""
) -> Response:
    def query(conn: Connection) -> tuple[AccountRow, Rights]:
        return accounts.find_account(conn, account.name), rights.rights_of(conn, account)

    row, may = await look(services, query)
    return page(
        request,
        viewer,
        "token.html",
        status=_UNPROCESSABLE if problem else 200,
        row=row,
        may=may,
        has_more=_has_more(viewer, may),
        kinds=terms.ACCOUNT_ROLES,
        urgencies=terms.URGENCIES,
        now=now_ms(),
        problem=problem,
    )
