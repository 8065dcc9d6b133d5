"""The audit log: who did what, when, from where and why; the acts of one redrive are one row that opens."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from router.console.access import Auditing, Parts
from router.console.pages import page
from router.console.reads import look
from router.faces import Services
from router.ledger.people import audit
from router.ledger.people.audit import Act, AuditRow, Wanted
from router.ledger.people.persons import Right
from schemas.codes import UnitPattern
from schemas.ids import Id

PAGE = 100
MOST_OPENED = 500
router = APIRouter()
PersonText = Annotated[str, Query(max_length=64)]
Unit = Annotated[UnitPattern | str, Query(max_length=110)]
Day = Annotated[str, Query(max_length=10)]


@router.get("/audit")
async def show_audit(
    *,
    request: Request,
    services: Parts,
    viewer: Auditing,
    person: PersonText = "",
    act: Annotated[str, Query(max_length=32)] = "",
    unit: Unit = "",
    since: Day = "",
    until: Day = "",
    before: Annotated[int | None, Query(ge=0, lt=2**53)] = None,
    opened: Id | None = None,
) -> Response:
    """A page of the audit log, the newest first; ``opened`` is the redrive whose fitting acts are listed."""
    chosen = act_of(act)
    scope = viewer.person.scope(Right.AUDIT)
    wanted = wanted_of(services, person, chosen, unit, (since, until))

    def query(conn: Connection) -> tuple[list[AuditRow], list[AuditRow]]:
        parts = audit.find_entries(conn, scope, replace(wanted, job=opened), limit=MOST_OPENED) if opened else []
        return audit.find_entries(conn, scope, wanted, before=before, limit=PAGE + 1, folded=True), parts

    found, parts = await look(services, query)
    rows = found[:PAGE]
    asked = {"person": person, "act": chosen.value if chosen else "", "unit": unit, "since": since, "until": until}
    return page(
        request,
        viewer,
        "audit.html",
        rows=rows,
        asked=asked,
        acts=list(Act),
        older=rows[-1].pos if len(found) > PAGE else None,
        before=before,
        opened=opened,
        parts_of=parts,
        directory=services.organisation.directory,
    )


def act_of(text: str) -> Act | None:
    """A kind of act by its code; None: all."""
    return Act(text) if text in set(Act) else None


def wanted_of(services: Services, person: str, act: Act | None, unit: str, days: tuple[str, str]) -> Wanted:
    """What a form asks for; the first and the last day are those of the installation, both of them included."""
    since, until = days
    first, last = _day(since), _day(until)
    return Wanted(
        person=person.strip(),
        act=act,
        units=unit.strip().upper(),
        since=_start(first, services) if first else None,
        until=_start(last + timedelta(days=1), services) if last else None,
    )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def _start(day: date, services: Services) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=services.zone).timestamp() * 1000)
