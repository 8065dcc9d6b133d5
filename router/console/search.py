"""Finds documents and units by what people type: a number, a word of the subject, a unit's name, an id."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from router.console.access import Looking, Parts, Viewer
from router.console.pages import link, page
from router.console.reads import look
from router.ledger import queries
from router.ledger.queries import DispatchRow, Page, UnitRow
from schemas.ids import is_id

_SEE_OTHER = 303
_UNITS_SHOWN = 20
router = APIRouter()


@router.get("/search")
async def search(
    request: Request,
    services: Parts,
    viewer: Looking,
    q: Annotated[str, Query(max_length=200)] = "",
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """Documents and units with the text; all documents, the latest first, without one; an id leads straight there."""
    text = q.strip()
    straight = await look(services, lambda conn: _place_of(conn, viewer, text)) if is_id(text) else None
    if straight:
        return RedirectResponse(straight, _SEE_OTHER)

    def query(conn: Connection) -> tuple[Page[DispatchRow], list[UnitRow]]:
        found = queries.list_dispatches(conn, viewer.scope, text=text, cursor=cursor)
        units = queries.search_units(conn, viewer.scope, text, limit=_UNITS_SHOWN) if text and not cursor else []
        return found, units

    found, units = await look(services, query)
    return page(request, viewer, "search.html", q=q, found=found.items, following=found.next_cursor, units=units)


def _place_of(conn: Connection, viewer: Viewer, key: str) -> str | None:
    if queries.find_delivery(conn, viewer.scope, key):
        return link(f"/deliveries/{key}")
    return link(f"/documents/{key}") if queries.find_dispatch(conn, viewer.scope, key) else None
