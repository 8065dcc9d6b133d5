"""Hôm nay: what there is to do for the person who looks."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from consumers.desk.access import DeskViewer, Looking, Parts
from consumers.desk.pages import page
from consumers.reading import desk_lists, urgent
from consumers.reading.coming import coming, line_now, line_up_now
from consumers.reading.desk_filters import Need, WantedDocuments
from consumers.reading.inbox import InboxEntry
from consumers.spool import Spool, desk_letters, drafts, handling
from consumers.spool.handling import Task
from consumers.spool.people import DeskRight
from consumers.spool.scope import UnitScope
from consumers.spool.units import names_of
from schemas.clock import now_ms

_MOST_TASKS, _MOST_ROWS, _MOST_SENT = 100, 10, 5
_NOT_MODIFIED = 304
router = APIRouter()


@router.get("/")
async def show_today(request: Request, services: Parts, viewer: Looking) -> Response:
    """Who must register what, direct what, process what, and what comes."""
    units = viewer.units()

    def read(conn: Connection) -> dict[str, Any]:
        clerks = viewer.units(DeskRight.REGISTER)
        to_register = desk_lists.find(conn, WantedDocuments(clerks, Need.REGISTER), limit=_MOST_ROWS)
        to_answer = desk_lists.find(conn, WantedDocuments(clerks, Need.ANSWER), limit=_MOST_ROWS)
        shown = [row.entry for row in (*to_register, *to_answer)]
        return {
            "counts": desk_lists.count(conn, units),
            "urgent": urgent.count_waiting(conn, viewer.person.name, registers=clerks, sees=units),
            "to_register": to_register,
            "to_answer": to_answer,
            "names": names_of(conn, {code for entry in shown for code in (entry.unit, entry.issuer)}),
            "tasks": _tasks(conn, viewer, units),
            "sent": desk_letters.count(conn, units),
            "drafts": drafts.count(conn, viewer.units(DeskRight.DRAFT)),
            "going": desk_letters.listed(conn, units, limit=_MOST_SENT),
            "named": names_of(conn, units),
        }

    found = await services.look(read) | await asyncio.to_thread(_on_the_line, services.spool, units)
    return page(request, viewer, "today.html", terms=services.terms, now=now_ms(), needs=Need, **found)


def _on_the_line(spool: Spool, units: UnitScope) -> dict[str, Any]:
    """What comes for the units, and how the line stands that it comes by; it reads files."""
    directory = spool.path.parent
    line = line_now(directory)
    return {"line": line, "up": line_up_now(directory), "coming": coming(spool, line, units, limit=_MOST_ROWS)}


@router.get("/attention")
async def tell_attention(
    services: Parts, viewer: Looking, if_none_match: Annotated[str, Header(max_length=100)] = ""
) -> Response:
    """How many urgent documents wait for the person; pages ask by themselves, and are told when nothing is new."""
    name, clerks, seen = viewer.person.name, viewer.units(DeskRight.REGISTER), viewer.units()
    waiting = await services.look(lambda conn: urgent.count_waiting(conn, name, registers=clerks, sees=seen))
    kept = {"etag": f'"{waiting}"', "cache-control": "private, no-cache", "vary": "cookie"}
    if if_none_match.removeprefix("W/") == kept["etag"]:
        return Response(status_code=_NOT_MODIFIED, headers=kept)
    return JSONResponse({"urgent": waiting}, headers=kept)


def _tasks(conn: Connection, viewer: DeskViewer, units: UnitScope) -> list[tuple[InboxEntry, Task]]:
    mine = handling.tasks_of(conn, viewer.person.name, units, limit=_MOST_TASKS)
    known = desk_lists.of_ids(conn, units, [delivery for delivery, _ in mine])
    return [(known[delivery], task) for delivery, task in mine if delivery in known]
