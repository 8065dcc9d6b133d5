"""Văn bản đến: the documents of the units, by what they need and by words."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from consumers.desk.access import Looking, Parts
from consumers.desk.pages import page
from consumers.reading import desk_lists
from consumers.reading.desk_lists import Need, WantedDocuments
from consumers.spool.units import names_of
from schemas.clock import now_ms

MAX_WORDS = 200
_AT_ONCE = 50
router = APIRouter()


@router.get("/incoming")
async def show_incoming(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    need: Need | None = None,
    q: Annotated[str, Query(max_length=MAX_WORDS)] = "",
    unit: Annotated[str, Query(max_length=100)] = "",
    before: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """A page of them, newest first."""
    units = viewer.units()
    chosen = units.only(unit) if unit in units else units

    def read(conn: Connection) -> dict[str, Any]:
        rows = desk_lists.find(conn, WantedDocuments(chosen, need, q), before=before, limit=_AT_ONCE + 1)
        older = rows[_AT_ONCE - 1].pos if len(rows) > _AT_ONCE and need is not Need.REGISTER else 0
        names = names_of(conn, {code for row in rows for code in (row.entry.unit, row.entry.issuer)})
        counts = desk_lists.count(conn, chosen)
        return {"rows": rows[:_AT_ONCE], "older": older, "counts": counts, "names": names}

    found = await services.look(read)
    asked = {"need": need.value if need else "", "q": q, "unit": unit if unit in units else ""}
    return page(
        request,
        viewer,
        "incoming.html",
        asked=asked,
        terms=services.terms,
        now=now_ms(),
        needs=Need,
        units=units,
        **found,
    )
