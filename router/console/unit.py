"""One unit: its line and gateway, what is on its way to it, its latest receipts, the units below it."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy import Connection

from router.console.access import Looking, Parts
from router.console.lines import LookBack, frame_of
from router.console.pages import page, shown_to
from router.console.reads import look
from router.console.unit_acts import offered
from router.errors import NotFoundError
from router.ledger import queries
from router.ledger.acts.stuck_care import Care, cares_of_unit
from router.ledger.queries import LineSheet, UnitSheet
from router.words.filters import token
from schemas.clock import now_ms, start_of_day
from schemas.codes import UnitCode

router = APIRouter()
_SOON_MS = 30 * 24 * 3_600_000
"""A token that ends within this time is pointed at."""
_SKEW_MS = 60_000
"""A clock that is further off is pointed at: receipts carry its times."""


@router.get("/units/{code}")
async def show_unit(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    code: Annotated[UnitCode, Path()],
    span: LookBack = LookBack.WEEK,
) -> Response:
    """The unit's sheet."""
    now = now_ms()
    today = start_of_day(now, services.timezone)
    frame = frame_of(span, now, shown_to(request))

    def query(conn: Connection) -> tuple[UnitSheet | None, LineSheet | None, list[Care], int]:
        sheet = queries.unit_sheet(conn, viewer.scope, code, now_ms=now, today=today)
        cares = cares_of_unit(conn, viewer.scope, code, day=services.organisation.today)
        late = queries.late_totals(conn, viewer.scope, code, now_ms=now).total
        return sheet, queries.line_sheet(conn, viewer.scope, code, frame.span), cares, late

    sheet, line, cares, late = await look(services, query)
    if sheet is None:
        raise NotFoundError(f"there is no unit {code} that you may see")
    filters: Mapping[str, str] = {"one": token("unit", code), "tree": token("unit", f"{code}.#")}
    return page(
        request,
        viewer,
        "unit.html",
        sheet=sheet,
        unit=sheet.unit,
        line=line,
        cares=cares,
        late=late,
        is_over=sheet.unit.valid_to is not None and sheet.unit.valid_to < services.organisation.today,
        frame=frame,
        reaches=tuple(LookBack),
        filters=filters,
        directory=services.organisation.directory,
        now=now,
        **offered(viewer, [sheet.unit], services),
        soon=now + _SOON_MS,
        skewed=_SKEW_MS,
    )
