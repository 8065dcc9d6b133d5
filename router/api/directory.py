"""``GET /api/v1/directory``: the organisation's tree level by level, for whoever picks addressees behind a thin line."""

import asyncio
import hashlib
from collections.abc import Iterable
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from pydantic import Field

from router.api.auth import Caller, Parts
from router.api.unit_views import UnitView
from router.directory import Directory
from router.faces import Services
from router.ledger import queries
from router.ledger.engine import reading
from router.ledger.scope import Scope
from router.words.view import View
from schemas.codes import UnitCode
from schemas.unit import Unit

MOST_UNITS = 300
"""Units of one answer: of a level of 300 communes it has 6 kB compressed, two seconds of the thinnest line."""
_NOT_MODIFIED = 304
_EVERYTHING = Scope(everything=True)
router = APIRouter(tags=["organisation"], prefix="/api/v1")


class TreeUnitView(UnitView):
    """A unit of the tree."""

    below: int
    """Units of today below it, at any depth."""


class DirectoryView(View):
    """A level of the tree, or what a search found."""

    units: Annotated[list[TreeUnitView], Field(max_length=MOST_UNITS)]
    """The units, in tree order."""
    more: bool
    """There are more than are listed."""


@router.get("/directory", summary="Show a level of the organisation, or find units", response_model=DirectoryView)
async def show_directory(
    *,
    response: Response,
    services: Parts,
    account: Caller,
    below: Annotated[UnitCode | None, Query(description="The units directly below this one; else the topmost.")] = None,
    find: Annotated[str, Query(max_length=200, description="Words of the name, or the code's beginning.")] = "",
    if_none_match: Annotated[str, Header(max_length=200, description="The ETag of what is at hand.")] = "",
) -> DirectoryView | Response:
    """The units of today one level below a unit, whoever's they are: everybody may be addressed by name.

    An answer that has not changed since the ETag that is given is 304, without a body.
    """
    del account  # whoever has a token may ask
    view = await asyncio.to_thread(_find if find.strip() else _level, services, find.strip() or below)
    etag = f'W/"{hashlib.sha256(view.model_dump_json().encode()).hexdigest()[:32]}"'
    response.headers["etag"] = etag
    if if_none_match == etag:
        return Response(status_code=_NOT_MODIFIED, headers={"etag": etag})
    return view


def _level(services: Services, below: str | None) -> DirectoryView:
    directory = services.organisation.directory
    return _view(services, directory.roots if below is None else directory.children(below))


def _find(services: Services, words: str | None) -> DirectoryView:
    with reading(services.engine) as conn:
        rows = queries.search_units(conn, _EVERYTHING, words or "", limit=MOST_UNITS)
    directory = services.organisation.directory
    return _view(services, [unit for row in rows if (unit := directory.get(row.code)) is not None])


def _view(services: Services, units: Iterable[Unit]) -> DirectoryView:
    directory, day = services.organisation.directory, services.organisation.today
    found = [unit for unit in units if unit.exists_on(day)]
    shown = [
        TreeUnitView(**UnitView.of(unit).model_dump(), below=_below(directory, unit, day))
        for unit in found[:MOST_UNITS]
    ]
    return DirectoryView(units=shown, more=len(found) > MOST_UNITS)


def _below(directory: Directory, unit: Unit, day: date) -> int:
    return sum(one.exists_on(day) for one in directory.within(unit.code)[1:])
