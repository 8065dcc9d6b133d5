"""Who is late: with what and for how long, whose turn it is, and who can be asked for it."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from router.console.access import Looking, Parts
from router.console.exports import AT_ONCE, Sheet, pages, send, writer_for
from router.console.pages import page
from router.console.reads import look
from router.faces import Services
from router.ledger import queries
from router.ledger.queries import LateFor, LateTotals, LateUnit, WantedLate
from router.ledger.scope import Scope
from router.ledger.way import counting
from router.pages.language import N_
from router.words.duties import DUTIES
from schemas.clock import now_ms
from schemas.codes import UnitCode
from schemas.duties import Duty
from schemas.office import office_terms

router = APIRouter()
PAGE = 100
MOST_STEPS = 100
"""Rows of the table of what is below a unit; others are found below one of them."""
Head = Annotated[Literal[""] | UnitCode, Query()]


@dataclass(frozen=True, slots=True)
class LateStep:
    """What is late at a unit and below it, or, where ``below`` is false, at the unit alone."""

    code: str
    name: str
    below: bool
    count: int
    oldest_at: int


@router.get("/late")
async def show_late(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    unit: Head = "",
    duty: Duty | None = None,
    age: LateFor | None = None,
    after: Annotated[Literal[""] | UnitCode, Query()] = "",
) -> Response:
    """What is late by duty and age; of what is chosen there the units below one, and a page of them all."""
    now, wanted = now_ms(), WantedLate(unit, duty, age)

    def query(conn: Connection) -> tuple[LateTotals, list[LateStep], list[LateUnit], bool]:
        totals = queries.late_totals(conn, viewer.scope, unit, now_ms=now)
        steps = _steps(conn, services, viewer.scope, wanted, now)
        found = queries.late_units(conn, viewer.scope, wanted, now_ms=now, after=after, limit=PAGE + 1)
        return totals, steps, found, counting.is_counting(conn, office_terms())

    totals, steps, found, is_counting = await look(services, query)
    return page(
        request,
        viewer,
        "late.html",
        totals=totals,
        wanted=wanted,
        name=_name(services, unit),
        ages=tuple(LateFor),
        late_duties=[item for item in Duty if totals.of([item])],
        steps=steps[:MOST_STEPS],
        left_out=len(steps) - len(steps[:MOST_STEPS]),
        rows=found[:PAGE],
        after=after,
        following=found[PAGE - 1].code if len(found) > PAGE else "",
        asked={"unit": unit, "duty": duty and duty.value, "age": age and age.value},
        is_counting=is_counting,
        now=now,
    )


@router.get("/late.csv")
async def export_late(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    unit: Head = "",
    duty: Duty | None = None,
    age: LateFor | None = None,
) -> Response:
    """The units at which something is late, with how much of what, and who can be asked."""
    now, wanted, write = now_ms(), WantedLate(unit, duty, age), writer_for(request, services)
    rows = pages(
        services,
        lambda conn, last: queries.late_units(
            conn, viewer.scope, wanted, now_ms=now, after=last.code if last else "", limit=AT_ONCE
        ),
    )
    columns = [
        *(write.say(name) for name in ("Unit", "Unit's name", "Late")),
        *(write.say(DUTIES[item].label) for item in Duty),
        write.timed(N_("Late since")),
        *(write.say(name) for name in (N_("Who asks"), N_("What that one is called"), N_("Note"))),
    ]
    cells = (
        (
            *(row.code, row.name, row.total),
            *(row.counts.get(item, 0) for item in Duty),
            *(write.at(row.oldest_at), row.parent, row.parent_name, row.parent_note),
        )
        for row in rows
    )
    asked = " ".join(filter(None, (unit, duty and duty.value, age and age.value)))
    return await send(write, viewer, Sheet("late", columns, cells), asked)


def _steps(conn: Connection, services: Services, scope: Scope, wanted: WantedLate, now: int) -> list[LateStep]:
    """Those at which most is late first; where all of it is below one topmost unit, the steps below that one."""
    steps = queries.late_steps(conn, scope, wanted, now_ms=now)
    if not wanted.head and len(steps) == 1:
        wanted = replace(wanted, head=next(iter(steps)))
        steps = queries.late_steps(conn, scope, wanted, now_ms=now)
    found = [
        LateStep(code, _name(services, code), bool(step), count, oldest)
        for step, (count, oldest) in steps.items()
        for code in (".".join(filter(None, (wanted.head, step))),)
    ]
    return sorted(found, key=lambda it: (-it.count, it.code))


def _name(services: Services, code: str) -> str:
    known = services.organisation.directory.get(code)
    return known.name if known else ""
