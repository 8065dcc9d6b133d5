"""Nhật ký: who did what and when, at the person's units."""

from fastapi import APIRouter, Request, Response

from consumers.desk.access import Looking, Parts
from consumers.desk.asked import AskedPlace
from consumers.desk.pages import page
from consumers.spool import journal
from consumers.spool.people import DeskRight

_AT_ONCE = 100
router = APIRouter()


@router.get("/journal")
async def show_journal(request: Request, services: Parts, viewer: Looking, before: AskedPlace = 0) -> Response:
    """A page of acts, the newest first; failed logins for those alone who let people in."""
    units, also_of_none = viewer.units(), viewer.may(DeskRight.ADMINISTER)

    rows = await services.look(
        lambda conn: journal.entries(conn, units, also_of_none=also_of_none, before=before, limit=_AT_ONCE + 1)
    )
    older = rows[_AT_ONCE - 1][0] if len(rows) > _AT_ONCE else 0
    return page(request, viewer, "journal.html", rows=rows[:_AT_ONCE], older=older)
