"""The audit log: who did what, when, from where and why; the acts of one redrive are one row that opens."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import Connection

from router.console.access import Auditing, Parts
from router.console.pages import page
from router.console.reads import look
from router.console.unit_acts import NO_DAY, typed_day
from router.faces import Services
from router.ledger.people import audit
from router.ledger.people.audit import Act, AuditRow, Wanted
from router.ledger.people.persons import Right, scope_of
from router.pages.language import N_
from schemas.codes import PATTERN_REGEX
from schemas.ids import Id

PAGE = 100
MOST_OPENED = 500
_NO_ACT = N_("There is no such act.")
_NO_UNIT = N_("That is no unit; write LCA.02.05, or LCA.02.# with all below it.")
router = APIRouter()
Text = Annotated[str, Query(max_length=110)]
Day = Annotated[str, Query(max_length=10)]


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """What of the audit log is asked for: as it was typed, as the ledger takes it, and what of it cannot be read."""

    typed: Mapping[str, str]
    wanted: Wanted
    problems: tuple[str, ...]


async def asked_of(  # noqa: PLR0917 - the fields of the form are parameters to the framework
    services: Parts, person: Text = "", act: Text = "", unit: Text = "", since: Day = "", until: Day = ""
) -> AuditQuery:
    """What the address asks for: the one reading of it, for the page and for the file.

    The first and the last day are those of the installation, both of them included.
    """
    units, first, last = unit.strip().upper(), typed_day(since), typed_day(until)
    problems = {
        _NO_ACT: bool(act) and act not in set(Act),
        _NO_UNIT: bool(units) and not re.fullmatch(PATTERN_REGEX, units),
        NO_DAY: (bool(since) and first is None) or (bool(until) and last is None),
    }
    return AuditQuery(
        typed={"person": person.strip(), "act": act, "unit": units, "since": since, "until": until},
        wanted=Wanted(
            person=person.strip(),
            act=Act(act) if act in set(Act) else None,
            units=units,
            since=_start(first, services) if first else None,
            until=_start(last + timedelta(days=1), services) if last else None,
        ),
        problems=tuple(problem for problem, is_one in problems.items() if is_one),
    )


AskedFor = Annotated[AuditQuery, Depends(asked_of)]


@router.get("/audit")
async def show_audit(
    *,
    request: Request,
    services: Parts,
    viewer: Auditing,
    asked: AskedFor,
    before: Annotated[int | None, Query(ge=0, lt=2**53)] = None,
    opened: Id | None = None,
) -> Response:
    """A page of the audit log, the newest first; ``opened`` is the redrive whose fitting acts are listed."""
    scope, wanted = scope_of(viewer.person, Right.AUDIT), asked.wanted

    def query(conn: Connection) -> tuple[list[AuditRow], list[AuditRow]]:
        if asked.problems:
            return [], []
        parts = audit.find_entries(conn, scope, replace(wanted, job=opened), limit=MOST_OPENED) if opened else []
        return audit.find_entries(conn, scope, wanted, before=before, limit=PAGE + 1, folded=True), parts

    found, parts = await look(services, query)
    rows = found[:PAGE]
    return page(
        request,
        viewer,
        "audit.html",
        status=422 if asked.problems else 200,
        rows=rows,
        asked=asked.typed,
        problems=asked.problems,
        acts=list(Act),
        older=rows[-1].pos if len(found) > PAGE else None,
        before=before,
        opened=opened,
        parts_of=parts,
        directory=services.organisation.directory,
    )


def _start(day: date, services: Services) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=services.zone).timestamp() * 1000)
