"""Báo cáo: what came in a month or a year, how it was dealt with, in time or late, and what went out."""

import asyncio
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import Connection, select

from consumers.desk.access import DeskViewer, Looking, Parts
from consumers.desk.pages import page
from consumers.desk.registers import SEPARATORS, XLSX
from consumers.desk.services import DeskServices
from consumers.desk.words import URGENCIES
from consumers.desk.workbook import workbook
from consumers.reading.reports import DeskReport, Fared, report
from consumers.spool import book_entries, course, journal
from consumers.spool.journal import JournalAct, JournalEntry
from consumers.spool.units import names_of
from router.pages.language import N_, translations
from router.pages.preferences import Preferences
from router.pages.spreadsheet import BOM, lines
from schemas.clock import now_ms, to_ms
from schemas.dispatch import Urgency

_MOST_ROWS = 30
"""Types, issuers and departments that a page names; a file names all."""
_FIGURES = (
    ("came", N_("Came")),
    ("registered", N_("Entered in the register")),
    ("in_time", N_("of those in time")),
    ("late", N_("of those late")),
    ("unregistered", N_("Not registered")),
    ("overdue", N_("of those overdue")),
    ("sent_back", N_("Sent back")),
    ("completed", N_("Done")),
    ("open", N_("In work")),
    ("answered", N_("Answered by a document")),
    ("given_back", N_("Given back after a recall")),
    ("kept", N_("Kept after a recall")),
)
_LEADS = (
    ("directed", N_("Directed")),
    ("completed", N_("Done")),
    ("in_time", N_("in time")),
    ("late", N_("late")),
    ("open", N_("In work")),
    ("overdue", N_("overdue")),
)
router = APIRouter(prefix="/reports")


class ReportPeriod:
    """What an address asks for: whose, of which year, of which month; 0: of all of it."""

    def __init__(
        self,
        services: Parts,
        viewer: Looking,
        unit: Annotated[str, Query(max_length=100)] = "",
        year: Annotated[int, Query(ge=0, le=2998)] = 0,
        month: Annotated[int, Query(ge=0, le=12)] = 0,
    ) -> None:
        units = viewer.units()
        self.unit = unit if unit in units else ""
        self.scope = units.only(unit) if self.unit else units
        self.year, self.month = year or services.today.year, month if year else services.today.month
        self.zone = services.zone

    @property
    def days(self) -> tuple[date, date]:
        """The first day, and the first that is no longer of it."""
        if not self.month:
            return date(self.year, 1, 1), date(self.year + 1, 1, 1)
        ends = self.month == 12  # noqa: PLR2004 - December
        return date(self.year, self.month, 1), date(self.year + ends, 1 if ends else self.month + 1, 1)

    @property
    def span(self) -> tuple[int, int]:
        """The same as UTC ms."""
        begin, end = (to_ms(datetime.combine(day, time(), self.zone)) for day in self.days)
        return begin, end


Period = Annotated[ReportPeriod, Depends()]


@router.get("")
async def show_reports(request: Request, services: Parts, viewer: Looking, asked: Period) -> Response:
    """The figures of a month or a year, as they are printed."""
    found, out, names = await _figures(services, asked)
    body = ", ".join(names.get(code, code) for code in asked.scope)
    return page(
        request,
        viewer,
        "reports.html",
        asked=asked,
        units=viewer.units(),
        report=found,
        went_out=out,
        names=names,
        body=body,
        head=services.head,
        most=_MOST_ROWS,
        figures=_FIGURES,
        leads=_LEADS,
        today=services.today,
    )


@router.get("/export")
async def export(request: Request, services: Parts, viewer: Looking, asked: Period, *, xlsx: bool = False) -> Response:
    """The same as a file for spreadsheet programs."""
    found, out, names = await _figures(services, asked)
    await services.change(lambda conn: _note(conn, viewer, asked))
    said = translations(Preferences.of(request.cookies).language).gettext
    table = [[said(N_("Of")), said(N_("What")), said(N_("Documents"))]]
    for of, what, count, is_word in _rows(found, out, names):
        table.append([said(of), said(what) if is_word else what, str(count)])
    file = f"report-{asked.year}{f'-{asked.month:02}' if asked.month else ''}.{'xlsx' if xlsx else 'csv'}"
    headers = {"content-disposition": f'attachment; filename="{file}"'}
    if xlsx:
        content = await asyncio.to_thread(workbook, table, sheet=f"{asked.month or ''} {asked.year}".strip())
        return Response(content, media_type=XLSX, headers=headers)
    text = BOM + lines(table, SEPARATORS[Preferences.of(request.cookies).separator])
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


async def _figures(services: DeskServices, asked: ReportPeriod) -> tuple[DeskReport, dict[str, int], dict[str, str]]:
    since, until = asked.span

    def read(conn: Connection) -> tuple[DeskReport, dict[str, int], dict[str, str]]:
        rows = course.between(asked.scope, since, until)
        fared = conn.execute(select(*(rows.c[name] for name in Fared._fields)))
        found = report((Fared(*row) for row in fared), services.terms, now_ms())
        out = book_entries.outgoing_types(conn, asked.scope, *asked.days)
        return found, out, names_of(conn, {*asked.scope, *found.issuers})

    return await services.look(read)


def _rows(found: DeskReport, out: dict[str, int], names: dict[str, str]) -> Iterator[tuple[str, str, int, bool]]:
    """Of what, what, how many, and whether the second is to be translated."""
    for name, label in _FIGURES:
        yield N_("Incoming documents"), label, getattr(found, name), True
    for degree, count in sorted(found.urgencies.items()):
        yield N_("By urgency"), URGENCIES[Urgency(degree)], count, True
    for kind, count in found.types.most_common():
        yield N_("By type"), kind, count, False
    for issuer, count in found.issuers.most_common():
        yield N_("By issuer"), f"{issuer} {names.get(issuer, '')}".strip(), count, False
    for lead, row in sorted(found.leads.items()):
        for name, label in _LEADS:
            yield label, lead, getattr(row, name), False
    for kind, count in out.items():
        yield N_("Went out"), kind, count, False


def _note(conn: Connection, viewer: DeskViewer, asked: ReportPeriod) -> None:
    told = f"{asked.month}/{asked.year}" if asked.month else str(asked.year)
    for unit in asked.scope:
        entry = JournalEntry(now_ms(), viewer.person.name, JournalAct.EXPORTED, unit, told, "", viewer.address)
        journal.record(conn, entry)
