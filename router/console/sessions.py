"""A person's own sessions, and the end of all others."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from router.console.access import Looking, Parts
from router.console.pages import link, page
from router.console.reads import change, look
from router.ledger.people import audit
from router.ledger.people.audit import Act, AuditEntry
from router.ledger.people.persons import SESSIONS
from router.pages.people import sessions
from schemas.clock import now_ms

_SEE_OTHER = 303
router = APIRouter()


@router.get("/sessions")
async def show_sessions(request: Request, services: Parts, viewer: Looking) -> Response:
    """Those that last, the latest first."""
    name, token = viewer.person.name, viewer.token
    rows = await look(services, lambda conn: SESSIONS.of_person(conn, name, token, now_ms=now_ms()))
    return page(request, viewer, "sessions.html", rows=rows, idle=sessions.IDLE_MS, longest=sessions.LONGEST_MS)


@router.post("/sessions/end-others")
async def end_others(services: Parts, viewer: Looking) -> Response:
    """End all but this one, at once."""

    def act(conn: Connection) -> None:
        name, home = viewer.person.name, viewer.person.home
        if count := SESSIONS.end_others(conn, name, viewer.token):
            ended = AuditEntry(
                now_ms(), name, Act.SESSIONS_ENDED, name, home, address=viewer.address, detail=str(count)
            )
            audit.record(conn, ended)

    await change(services, act)
    return RedirectResponse(link("/sessions"), _SEE_OTHER)
