"""What is printed of one document: the slip (Phiếu giải quyết văn bản đến), and the stamp ĐẾN for its first page."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from consumers.desk.access import DeskViewer, Looking, Parts
from consumers.desk.document import read_document
from consumers.desk.files import frame_of
from consumers.desk.pages import page
from consumers.reading.handling import looked_at
from consumers.spool import book_entries, handling
from consumers.spool.units import names_of
from schemas.states import HELD

router = APIRouter(prefix="/incoming/{delivery_id}")


@router.get("/slip")
async def show_slip(request: Request, services: Parts, viewer: Looking, delivery_id: str) -> Response:
    """Phiếu giải quyết văn bản đến, with the stamp ĐẾN, to be printed."""
    entry, letter = await read_document(services, viewer, delivery_id)

    def read(conn: Connection) -> dict[str, Any]:
        _, _, pos = looked_at(conn, delivery_id, viewer.units())
        body = names_of(conn, {entry.unit}).get(entry.unit, entry.unit)
        return {"steps": handling.steps(conn, pos), "body": body, **_stamp(conn, viewer, delivery_id)}

    found = await services.look(read)
    return page(request, viewer, "slip.html", entry=entry, letter=letter, head=services.head, **found)


@router.get("/stamp")
async def show_stamp(
    request: Request,
    services: Parts,
    viewer: Looking,
    delivery_id: str,
    file: Annotated[int, Query(ge=0, le=10_000)] = 0,
) -> Response:
    """The stamp alone at its place on a sheet, or over a picture: on paper, never in the file."""
    entry, letter = await read_document(services, viewer, delivery_id)
    found = await services.look(lambda conn: _stamp(conn, viewer, delivery_id))
    files = letter.attachments if entry.state in HELD else ()
    pictures = [place for place, item in enumerate(files, 1) if frame_of(item) == "image"]
    picture = file if file in pictures else 0
    context = {"entry": entry, "letter": letter, "pictures": pictures, "picture": picture, **found}
    return page(request, viewer, "stamped.html", **context)


def _stamp(conn: Connection, viewer: DeskViewer, delivery_id: str) -> dict[str, Any]:
    looked_at(conn, delivery_id, viewer.units())
    entered = book_entries.entry_of(conn, delivery_id)
    fields = entered.fields if entered else None
    arrived = "" if fields is None else " ".join(filter(None, (f"{fields.day:%d/%m/%Y}", fields.hour)))
    return {"fields": fields, "arrived": arrived, "number": "" if entered is None else str(entered.number)}
