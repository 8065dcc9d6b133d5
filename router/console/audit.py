"""The audit log: who did what, when, from where and why."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from router.console.access import Auditing, Parts
from router.console.pages import page
from router.console.reads import look
from router.ledger import audit
from router.ledger.audit import Act
from router.ledger.people import Right

PAGE = 100
router = APIRouter()


@router.get("/audit")
async def show_audit(
    *,
    request: Request,
    services: Parts,
    viewer: Auditing,
    person: Annotated[str, Query(max_length=64)] = "",
    act: Annotated[str, Query(max_length=32)] = "",
    before: Annotated[int | None, Query(ge=0, lt=2**53)] = None,
) -> Response:
    """A page of the audit log, the newest first."""
    chosen = Act(act) if act in set(Act) else None
    scope = viewer.person.scope(Right.AUDIT)
    found = await look(
        services,
        lambda conn: audit.list_entries(conn, scope, person=person, act=chosen, before=before, limit=PAGE + 1),
    )
    rows = found[:PAGE]
    older = rows[-1].pos if len(found) > PAGE else None
    return page(request, viewer, "audit.html", rows=rows, person=person, act=chosen, acts=list(Act), older=older)
