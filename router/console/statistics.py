"""Statistics of a month: how much, how fast, in time or not; and the one page of it that is printed for leaders."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from router.console.access import Looking, Parts, Viewer
from router.console.charts import bars, level
from router.console.exports import Sheet, send, writer_for
from router.console.pages import ROOT, link, page, shown_to
from router.console.reads import look
from router.faces import Services
from router.ledger import queries
from router.ledger.queries import Measured, MeasuredStage, MonthlyStatistics
from router.pages.language import N_
from router.pages.shown import Shown
from router.words import terms
from schemas.clock import now_ms
from schemas.codes import UnitCode
from schemas.months import MONTH_REGEX, Month
from schemas.states import Status

router = APIRouter()
MonthText = Annotated[str, Query(pattern=MONTH_REGEX)]
Head = Annotated[Literal[""] | UnitCode | None, Query()]
MOST_UNITS = 500
"""Rows of the table of units; others are found below one of them."""
MOST_PRINTED = 24
"""Of them, as many as the printed page has room for."""


@dataclass(frozen=True, slots=True)
class UnitFigures:
    """The figures of a unit with all below it, or, where ``below`` is false, of the unit alone."""

    code: str
    name: str
    below: bool
    measured: Measured


@router.get("/statistics")
async def show_statistics(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    month: MonthText | None = None,
    unit: Head = None,
    stage: MeasuredStage = MeasuredStage.ARRIVED,
) -> Response:
    """A month's figures, the months before it, its hours, its units and urgencies by how long a stage took them."""
    found = await look(services, lambda conn: _monthly(conn, services, viewer, month, unit))
    return _page(request, services, viewer, "statistics.html", found, most=MOST_UNITS, stage=stage)


@router.get("/statistics/report")
async def show_report(
    request: Request, services: Parts, viewer: Looking, month: MonthText | None = None, unit: Head = None
) -> Response:
    """The page for leaders, made to be printed."""

    def query(conn: Connection) -> tuple[MonthlyStatistics, int]:
        found = _monthly(conn, services, viewer, month, unit)
        return found, queries.documents_of(conn, viewer.scope, found.period)

    found, documents = await look(services, query)
    return _page(request, services, viewer, "report.html", found, most=MOST_PRINTED, documents=documents)


@router.get("/statistics.csv")
async def export_statistics(
    request: Request, services: Parts, viewer: Looking, month: MonthText | None = None, unit: Head = None
) -> Response:
    """A month's figures by unit, the whole last."""
    write = writer_for(request, services)
    found = await look(services, lambda conn: _monthly(conn, services, viewer, month, unit))
    columns = [
        *(write.say(name) for name in ("Unit", "Unit's name", N_("With all below it"), "Accepted")),
        *(write.say(terms.STATES[Status(stage.value)].label) for stage in MeasuredStage),
        *(write.say(name) for name in (N_("Registered in time"), N_("Registered late"))),
        *(write.say(name) for name in (N_("Completed in time"), N_("Completed late"))),
    ]
    whole = UnitFigures(found.head, _name(services, found.head), below=True, measured=found.whole)
    cells = (
        (
            *(part.code, part.name, write.say(N_("yes") if part.below else N_("no")), part.measured.accepted),
            *(part.measured.stages[stage].count for stage in MeasuredStage),
            *(part.measured.registered_in_time, part.measured.registered_late),
            *(part.measured.in_time, part.measured.overdue),
        )
        for part in (*_parts(found, services), whole)
    )
    asked = f"{found.month} {found.head}".strip()
    return await send(write, viewer, Sheet("statistics", columns, cells), asked)


def _monthly(
    conn: Connection, services: Services, viewer: Viewer, month: str | None, unit: str | None
) -> MonthlyStatistics:
    now, topmost = now_ms(), queries.topmost(conn, viewer.scope)
    return queries.monthly(
        conn,
        viewer.scope,
        Month.read(month) if month else Month.at(now, services.timezone),
        head=unit or (topmost[0] if len(topmost) == 1 else ""),
        timezone=services.timezone,
        now_ms=now,
    )


def _page(
    request: Request,
    services: Services,
    viewer: Viewer,
    template: str,
    found: MonthlyStatistics,
    *,
    most: int,
    stage: MeasuredStage = MeasuredStage.ARRIVED,
    **more: Any,
) -> Response:
    parts = _parts(found, services)
    chosen, place = "" if stage is MeasuredStage.ARRIVED else stage.value, request.url.path.removeprefix(ROOT)
    context: dict[str, Any] = {
        "found": found,
        "whole": found.whole,
        "urgencies": sorted(found.breakdown.by_urgency.items(), reverse=True),
        "parts_of": parts[:most],
        "left_out": len(parts) - len(parts[:most]),
        "stages": tuple(MeasuredStage),
        "stage": stage,
        "chosen": chosen,
        "name": _name(services, found.head),
        "here_in": lambda month: link(place, month=month, unit=found.head, stage=chosen),
        "now": now_ms(),
    }
    return page(request, viewer, template, **context, **_charts(found, stage, shown_to(request)), **more)


def _charts(found: MonthlyStatistics, stage: MeasuredStage, shown: Shown) -> dict[str, Any]:
    """The values of the charts, each with its words."""
    months = [shown.month(month) for month, _ in found.trend]
    volumes = [measured.accepted for _, measured in found.trend]
    spans = [measured.stages[stage].p95 for _, measured in found.trend]
    return {
        "volume_bars": bars(volumes),
        "volume_words": [f"{month}: {shown.count(count)}" for month, count in zip(months, volumes, strict=True)],
        "span_bars": bars(spans),
        "span_words": [f"{month}: {shown.took(span)}" for month, span in zip(months, spans, strict=True)],
        "days": [shown.weekday(number) for number in range(len(found.heat))],
        "hottest": max(map(max, found.heat)),
        "level": level,
    }


def _parts(found: MonthlyStatistics, services: Services) -> list[UnitFigures]:
    def code_of(step: str) -> str:
        return ".".join(filter(None, (found.head, step)))

    return [
        UnitFigures(code_of(step), _name(services, code_of(step)), bool(step), measured)
        for step, measured in sorted(found.breakdown.by_step.items())
    ]


def _name(services: Services, code: str) -> str:
    known = services.organisation.directory.get(code)
    return known.name if known else ""
