"""Lines: which are down, which were and for how long, and what went down together."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from router.console.access import Looking, Parts
from router.console.charts import Stretch, stretches, ticks
from router.console.pages import page, shown_to
from router.console.reads import look
from router.ledger import queries
from router.ledger.queries import LineBoard, OutageRow, Span
from router.pages.shown import Shown
from router.rules.outages import LineState
from schemas.clock import now_ms
from schemas.codes import UnitPattern

router = APIRouter()
_HOUR = 3_600_000
_MOST = 60
_MOST_OUTAGES = 200


class LookBack(StrEnum):
    """How far back a page looks."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"

    def until(self, now: int) -> Span:
        """The span that ends now (UTC ms)."""
        return Span(now - _REACHES[self] * _HOUR, now, now)


_REACHES = {LookBack.HOUR: 1, LookBack.DAY: 24, LookBack.WEEK: 7 * 24, LookBack.MONTH: 30 * 24}


@dataclass(frozen=True, slots=True)
class Frame:
    """What bands are drawn in: the span, the words of its axis, and how an outage becomes a stretch of it."""

    span: Span
    reach: LookBack
    axis: tuple[str, ...]

    def draw(self, bands: tuple[queries.Band, ...]) -> list[Stretch]:
        """The bands as stretches of a thousand."""
        return stretches([(band.began_at, band.ended_at, band.down_ms) for band in bands], self.span)


def frame_of(reach: LookBack, now: int, shown: Shown) -> Frame:
    """The frame of a span that ends now."""
    span = reach.until(now)
    return Frame(
        span, reach, tuple(shown.tick(at, of_day=reach in {LookBack.HOUR, LookBack.DAY}) for at in ticks(span))
    )


@router.get("/lines")
async def show_lines(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    span: LookBack = LookBack.DAY,
    unit: Annotated[UnitPattern | None, Query()] = None,
    state: LineState | None = None,
    every: bool = False,
) -> Response:
    """The lines with their outages as bands, and each outage in a table."""
    frame = frame_of(span, now_ms(), shown_to(request))

    def query(conn: Connection) -> tuple[LineBoard, list[OutageRow]]:
        when = {"since": frame.span.since, "until": frame.span.until}
        rows = queries.outages(conn, viewer.scope, **when, units=unit or "", limit=_MOST_OUTAGES)
        board = queries.line_board(
            conn, viewer.scope, frame.span, units=unit or "", state=state, every=every, limit=_MOST
        )
        return board, rows

    board, outages = await look(services, query)
    return page(
        request,
        viewer,
        "lines.html",
        board=board,
        outages=outages,
        frame=frame,
        reaches=tuple(LookBack),
        unit=unit or "",
        state=state,
        every=every,
        directory=services.organisation.directory,
        now=frame.span.now,
    )
