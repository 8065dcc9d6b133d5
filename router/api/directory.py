"""``GET /api/v1/directory``: the organisation's tree level by level, for whoever picks addressees on a thin line."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from pydantic import Field

from router.api.auth import Caller, Parts
from router.api.unit_views import UnitView
from router.faces import Services
from router.ledger import queries
from router.ledger.engine import reading
from router.ledger.scope import Scope
from router.words.view import View
from schemas.codes import UnitCode
from schemas.unit import Unit

MOST_UNITS = 100
"""Units of one answer: 2 kB compressed, half a second of the thinnest line."""
_NOT_MODIFIED = 304
_EVERYTHING = Scope(everything=True)
router = APIRouter(tags=["organisation"], prefix="/api/v1")


class TreeUnitView(UnitView):
    """A unit of the tree."""

    below: int
    """Units of today below it, at any depth."""


class DirectoryView(View):
    """A level of the tree, or what a search found."""

    of: TreeUnitView | None
    """The unit whose level it is; null: there are several at the top, or they were found."""
    kinds: list[str]
    """The kinds of the units below it, at any depth."""
    units: Annotated[list[TreeUnitView], Field(max_length=MOST_UNITS)]
    """The units, in tree order."""
    more: bool
    """There are more than are listed: ask with the last one's code as `after`."""


@router.get("/directory", summary="Show a level of the organisation, or find units", response_model=DirectoryView)
async def show_directory(
    *,
    response: Response,
    services: Parts,
    account: Caller,
    below: Annotated[UnitCode | None, Query(description="The units directly below this one; else the topmost.")] = None,
    after: Annotated[UnitCode | None, Query(description="Go on behind this unit.")] = None,
    find: Annotated[str, Query(max_length=200, description="Words of the name, or the code's beginning.")] = "",
    if_none_match: Annotated[str, Header(max_length=200, description="The ETag of what is at hand.")] = "",
) -> DirectoryView | Response:
    """The units of today one level below a unit, whoever's they are: everybody may be addressed by name.

    Where a single unit stands at the top, what is below it is the topmost level, with that unit as `of`.

    An answer that has not changed since the ETag that is given is 304, without a body.
    """
    del account  # whoever has a token may ask
    view, etag = await asyncio.to_thread(_told, services, below, after or "", find)
    response.headers["etag"] = etag
    if if_none_match == etag:
        return Response(status_code=_NOT_MODIFIED, headers={"etag": etag})
    return view


def _told(services: Services, below: str | None, after: str, find: str) -> tuple[DirectoryView, str]:
    """What is answered, and its ETag: of a whole country it takes a while."""
    view = _find(services, find, after) if find.strip() else _level(services, below, after)
    return view, f'W/"{hashlib.sha256(view.model_dump_json().encode()).hexdigest()[:32]}"'


def _level(services: Services, below: str | None, after: str) -> DirectoryView:
    directory, day = services.organisation.directory, services.organisation.today
    if below is None and len(directory.roots) == 1:
        below = directory.roots[0].code
    level = directory.roots if below is None else directory.children(below)
    units = [unit for unit in level if unit.exists_on(day) and unit.code > after]
    of = None if below is None else directory.get(below)
    return _view(services, units, of)


def _find(services: Services, words: str, after: str) -> DirectoryView:
    directory, day = services.organisation.directory, services.organisation.today

    def stands(code: str) -> bool:
        found = directory.get(code)
        return found is not None and found.exists_on(day)

    with reading(services.engine) as conn:
        codes = queries.search_some(conn, _EVERYTHING, words, stands, after=after, limit=MOST_UNITS + 1)
    return _view(services, [directory[code] for code in codes], None)


def _view(services: Services, units: Sequence[Unit], of: Unit | None) -> DirectoryView:
    directory, day = services.organisation.directory, services.organisation.today

    def below(unit: Unit) -> list[Unit]:
        return [one for one in directory.within(unit.code)[1:] if one.exists_on(day)]

    def node(unit: Unit) -> TreeUnitView:
        return TreeUnitView(**UnitView.of(unit).model_dump(), below=len(below(unit)))

    return DirectoryView(
        of=None if of is None else node(of),
        kinds=[] if of is None else sorted({unit.kind for unit in below(of)}),
        units=[node(unit) for unit in units[:MOST_UNITS]],
        more=len(units) > MOST_UNITS,
    )
