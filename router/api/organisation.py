"""The organisation over HTTP: the units an account stands for, and the dry run of addressing rules."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import Field

from router.api.auth import Author, Caller, Parts
from router.api.body import json_of
from router.api.unit_views import ListedUnitView, ResolutionView, UnitDetailView
from router.errors import ForbiddenIssuerError, NotFoundError
from router.faces import Services
from router.ledger import queries
from router.ledger.engine import reading
from router.ledger.scope import Scope
from router.ledger.units import gateways
from schemas.accounts import Role
from schemas.clock import now_ms
from schemas.codes import UnitCode, UnitPattern, covers, is_code
from schemas.dispatch import MAX_RULES
from schemas.health import EVERYWHERE, HEADER_BEFORE, HEADER_ELSEWHERE, HEADER_REPLACES, HEADER_SPOOL
from schemas.ids import Id
from schemas.model import Travelling, parse
from schemas.rights import out_of_reach

_OUTAGES_MS = 7 * 24 * 3_600_000
_MOST_OUTAGES = 200
_MOST_NAMED = 4000
"""Characters of a header that lists units: clients take 8 kB of headers."""
_BODY = {
    "required": True,
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ResolveRequest"}}},
}

router = APIRouter(tags=["organisation"], prefix="/api/v1")
Within = Annotated[UnitPattern | None, Query(description="Only this unit, or a subtree as `LCA.02.#`.")]

Codes = Annotated[
    list[UnitCode], Query(min_length=1, max_length=100, description="The units' codes; may be given more than once.")
]

Spool = Annotated[Id | None, Header(alias=HEADER_SPOOL, description="A gateway's own.")]

Replaced = Annotated[
    Id | None, Header(alias=HEADER_REPLACES, description="The spool that lay in its place before, and was lost.")
]


class ResolveRequest(Travelling):
    """Addressing rules to try; with `issuer`, whom of those a dispatch of that unit by this account may go to."""

    issuer: UnitCode | None = None
    """Who would send; left out: nothing is said of what the account may."""

    addressees: Annotated[tuple[Annotated[str, Field(max_length=200)], ...], Field(min_length=1, max_length=MAX_RULES)]
    """The rules, as in a submission."""


@router.get("/units", summary="List the account's units")
async def list_units(  # noqa: PLR0917 - headers and query are parameters to the framework
    services: Parts,
    account: Caller,
    response: Response,
    within: Within = None,
    spool: Spool = None,
    replaces: Replaced = None,
) -> list[ListedUnitView]:
    """The units of today that the account stands for, in tree order; a gateway's are those it hosts.

    To a gateway that names its spool the header `Congvan-Held-Elsewhere` says for which of them another one works,
    and `Congvan-Held-Before` for which another one worked last, whose books it lacks.
    """
    today = services.organisation.today
    head = account.pattern.removesuffix(".#")
    units = [
        unit
        for unit in services.organisation.directory.within(head)
        if account.stands_for(unit.code) and unit.exists_on(today) and (within is None or covers(within, unit.code))
    ]
    if spool is not None and account.role is Role.GATEWAY:
        codes = [unit.code for unit in units]
        elsewhere, before = await asyncio.to_thread(_held_by_others, services, codes, (spool, replaces or spool))
        for header, found in ((HEADER_ELSEWHERE, elsewhere), (HEADER_BEFORE, before)):
            if found:
                response.headers[header] = _named(found, codes)
    return [ListedUnitView.listed(unit, services.timezone) for unit in units]


def _held_by_others(services: Services, codes: list[str], own: tuple[str, str]) -> tuple[list[str], list[str]]:
    """The units for which another spool works now, and those for which another one worked last."""
    with reading(services.engine) as conn:
        elsewhere = gateways.held_elsewhere(conn, codes, own, now_ms=now_ms(), since_ms=services.hearing.since_ms)
        return sorted(elsewhere), gateways.held_before(conn, codes, own[:1])


def _named(found: list[str], codes: list[str]) -> str:
    """Units in a header, or that it is all of them, or too many to be named."""
    named = ",".join(found)
    return EVERYWHERE if len(found) == len(codes) or len(named) > _MOST_NAMED else named


@router.get("/units/{code}", summary="Show a unit and its line")
async def show_unit(
    services: Parts, account: Caller, code: Annotated[UnitCode, Path(description="The unit's code.")]
) -> UnitDetailView:
    """A unit that the account stands for: how its line stands, and when it was down."""
    unit = services.organisation.directory.get(code)
    if unit is None or not account.stands_for(code):
        raise NotFoundError(f"there is no unit {code} that {account.name} stands for")

    def look() -> UnitDetailView:
        scope, now = Scope(units=(code,)), now_ms()
        with reading(services.engine) as conn:
            line = queries.find_line(conn, scope, code)
            since = now - _OUTAGES_MS
            rows = queries.outages(conn, scope, since=since, until=now, limit=_MOST_OUTAGES)
        return UnitDetailView.whole(unit, services.timezone, line, rows)

    return await asyncio.to_thread(look)


@router.get("/names", summary="Say what units are called")
async def name_units(services: Parts, account: Caller, code: Codes) -> dict[UnitCode, str]:
    """The names of units by their codes, whoever's they are: every letter that they send bears them.

    Codes that the organisation does not have, today or before, are left out.
    """
    del account  # whoever has a token may ask
    directory = services.organisation.directory
    return {one: unit.name for one in code if (unit := directory.get(one)) is not None}


@router.post("/resolve", summary="Try addressing rules", openapi_extra={"requestBody": _BODY})
async def resolve(request: Request, services: Parts, sender: Author) -> ResolutionView:
    """Who a dispatch with these rules would go to today, who is left out, and why. Nothing is sent.

    `not_allowed` names the addressees that the account may not send to; an account of one unit need not say `issuer`.
    """
    wanted = parse(ResolveRequest, await json_of(request, idle=services.idle_timeout), what="request")
    found = await asyncio.to_thread(services.intake.resolve, wanted.addressees)
    issuer = wanted.issuer or (sender.pattern if is_code(sender.pattern) else None)
    if issuer is None or sender.role is Role.OPERATOR:
        return ResolutionView.of(found)
    if not sender.stands_for(issuer):
        raise ForbiddenIssuerError(f"{sender.name} may not send for {issuer}")
    rights = await services.intake.rights_of(sender)
    return ResolutionView.of(found, out_of_reach(rights, issuer, [unit.code for unit in found.included]))
