"""Several documents entered at once: consecutive numbers in the order shown, all of them or none."""

import asyncio
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import Field
from sqlalchemy import Connection

from consumers.desk.access import Looking, Parts
from consumers.desk.incoming import AT_ONCE, Filtered, incoming_page
from consumers.desk.pages import link, page
from consumers.errors import DocumentMovedError
from consumers.reading import desk_lists
from consumers.reading.handling import register_all
from consumers.reading.inbox import InboxEntry, letter_of
from consumers.reading.suggesting import suggested
from consumers.spool.people import DeskRight
from consumers.spool.units import names_of
from router.pages.language import N_
from schemas.clock import now_ms
from schemas.register import RegisterFields

_SEE_OTHER, _UNPROCESSABLE, _CONFLICT = 303, 422, 409
_NONE_CHOSEN = N_("Choose at least one document.")
_MOVED = N_("Somebody dealt with one of them meanwhile. None was entered; here they are as they are now.")
router = APIRouter(prefix="/incoming")
Id = Annotated[str, Field(max_length=100)]


@router.post("/register-chosen")
async def register_chosen(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    filters: Filtered,
    chosen: Annotated[tuple[Id, ...], Form(max_length=AT_ONCE)] = (),
) -> Response:
    """Enter the chosen ones with what their letters say."""
    viewer.require(DeskRight.REGISTER)
    if not chosen:
        return await incoming_page(request, services, viewer, filters, problem=_NONE_CHOSEN, status=_UNPROCESSABLE)
    by, ids = viewer.by(DeskRight.REGISTER), tuple(dict.fromkeys(chosen))

    def fields(conn: Connection, entry: InboxEntry) -> RegisterFields:
        letter = letter_of(conn, entry.delivery_id)
        return suggested(conn, viewer.units(), entry, letter, today=services.today, zone=services.zone)

    try:
        await asyncio.to_thread(register_all, services.spool, ids, by, fields)
    except DocumentMovedError:
        return await incoming_page(request, services, viewer, filters, problem=_MOVED, status=_CONFLICT)
    return RedirectResponse(f"{link('/incoming/entered')}?{urlencode({'id': ids}, doseq=True)}", _SEE_OTHER)


@router.get("/entered")
async def show_entered(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    ids: Annotated[tuple[Id, ...], Query(alias="id", max_length=AT_ONCE)] = (),
) -> Response:
    """The numbers that documents have got."""
    units = viewer.units()

    def read(conn: Connection) -> dict[str, Any]:
        rows = desk_lists.of_these(conn, units, ids)
        return {"rows": rows, "names": names_of(conn, {row.entry.issuer for row in rows})}

    return page(request, viewer, "entered.html", terms=services.terms, now=now_ms(), **await services.look(read))
