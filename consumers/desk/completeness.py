"""Đủ số: which numbers of the unit's own series are missing, and where issuers' numbers have holes."""

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from consumers.desk.access import Looking, Parts
from consumers.desk.pages import link, page
from consumers.desk.services import DeskServices
from consumers.reading import series as issuers_series
from consumers.spool import gaps, journal
from consumers.spool.journal import JournalAct, JournalEntry
from consumers.spool.people import DeskRight
from consumers.spool.units import names_of
from schemas.clock import now_ms, to_ms
from schemas.text import OneLine

_SEE_OTHER = 303
_MOST_NAMED = 200
router = APIRouter(prefix="/completeness")
Short = Annotated[OneLine, Query(max_length=200)]


@router.get("")
async def show_completeness(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    unit: Annotated[str, Query(max_length=100)] = "",
    year: Annotated[int, Query(ge=0, le=2999)] = 0,
    issuer: Short = "",
    pattern: Short = "",
) -> Response:
    """The units' own series, and those of their issuers."""
    units = viewer.units()
    chosen = units.only(unit) if unit in units else units
    shown = year or services.today.year
    since, until = _year(services, shown)

    def read(conn: Connection) -> dict[str, Any]:
        found = issuers_series.series(conn, chosen, since, until)
        wanted = (issuer, pattern)
        return {
            "own": [gaps.completeness(conn, chosen, code, limit=_MOST_NAMED) for code in chosen],
            "series": found,
            "holes": issuers_series.holes_of(conn, chosen, since, until, wanted)[:_MOST_NAMED] if issuer else [],
            "names": names_of(conn, {*chosen, *(item.issuer for item in found), issuer}),
        }

    found = await services.look(read)
    asked = {"unit": unit if unit in units else "", "year": shown, "issuer": issuer, "pattern": pattern}
    may = viewer.units(DeskRight.REGISTER)
    return page(request, viewer, "completeness.html", asked=asked, units=units, may=may, now=now_ms(), **found)


@router.post("/ask")
async def ask(services: Parts, viewer: Looking, unit: Annotated[str, Form(max_length=100)]) -> Response:
    """Ask the router for what is missing, as soon as the line allows."""
    viewer.require(DeskRight.REGISTER, unit)

    def act(conn: Connection) -> None:
        count = gaps.ask_anew(conn, unit)
        told = JournalEntry(
            now_ms(), viewer.person.name, JournalAct.NUMBERS_ASKED, unit, unit, str(count), viewer.address
        )
        journal.record(conn, told)

    await services.change(act)
    return RedirectResponse(link("/completeness", unit=unit), _SEE_OTHER)


def _year(services: DeskServices, year: int) -> tuple[int, int]:
    """A year's begin and end, UTC ms."""
    begin, end = (datetime.combine(date(one, 1, 1), datetime.min.time(), services.zone) for one in (year, year + 1))
    return to_ms(begin), to_ms(end)
