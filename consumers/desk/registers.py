"""Sổ: the registers of the units, in the decree's columns: read, printed, exported, written, put right, closed."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from consumers.desk.access import Looking, Parts, Viewer
from consumers.desk.fields import fields_of
from consumers.desk.pages import link, page
from consumers.desk.workbook import workbook
from consumers.errors import DeskForbiddenError
from consumers.reading.registers import Form as PrintedForm
from consumers.reading.registers import headings, rows
from consumers.spool import books, journal
from consumers.spool.books import Book, BookKey, Entry, EntryAuthor
from consumers.spool.journal import Act, JournalEntry
from consumers.spool.people import DeskRight
from router.pages.preferences import Preferences
from router.pages.spreadsheet import BOM, Separator, lines
from schemas.clock import Day, now_ms
from schemas.codes import UnitCode
from schemas.dispatch import Urgency
from schemas.register import BookKind
from schemas.text import OneLine

_SEE_OTHER = 303
_AT_ONCE = 100
_SEPARATORS = {"comma": Separator.COMMA, "semicolon": Separator.SEMICOLON}
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
router = APIRouter()
Unit = Annotated[UnitCode, Path()]
Kind = Annotated[BookKind, Path()]
Year = Annotated[int, Path(ge=2000, le=2999)]
Name = Annotated[OneLine, Query(max_length=50)]
Number = Annotated[int, Path(ge=1, le=books.MAX_NUMBER)]
First = Annotated[int, Query(ge=1, le=books.MAX_NUMBER)]
Last = Annotated[int, Query(ge=0, le=books.MAX_NUMBER)]
Text = Annotated[OneLine, Form(max_length=500)]
Short = Annotated[OneLine, Form(max_length=200)]
Reason = Annotated[OneLine, Form(max_length=500)]


@router.get("/registers")
async def show_registers(request: Request, services: Parts, viewer: Looking) -> Response:
    """The books of the person's units."""
    units = viewer.units()

    def read(conn: Connection) -> list[Book]:
        return [book for unit in units for book in books.books(conn, unit)]

    today = services.today
    return page(request, viewer, "registers.html", books=await services.look(read), units=units, today=today)


@router.get("/registers/{unit}/{kind}/{year}")
async def show_register(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    unit: Unit,
    kind: Kind,
    year: Year,
    name: Name = "",
    form: PrintedForm | None = None,
    first: First = 1,
    last: Last = 0,
) -> Response:
    """A range of a book's numbers, the last ones when none is named; printed with its cover and its columns."""
    viewer.require(DeskRight.SEE, unit)
    key = BookKey(unit, kind, year, name)
    shown = form or PrintedForm(kind.value)

    def read(conn: Connection) -> dict[str, Any]:
        book = next((book for book in books.books(conn, unit) if book.key == key), Book(key, 1, 0))
        begin = first if last else max(book.last - _AT_ONCE + 1, book.first)
        end = last or book.last
        found = books.entries(conn, key, begin, end)
        return {"book": book, "begin": begin, "end": end, "entries": found, "lines": rows(shown, found)}

    found = await services.look(read)
    may = viewer.may(DeskRight.REGISTER, unit)
    context: dict[str, Any] = {
        "key": key,
        "form": shown,
        "headings": headings(shown),
        "may": may,
        "today": services.today,
    }
    return page(request, viewer, "register.html", **context, **found)


@router.get("/registers/{unit}/{kind}/{year}/export")
async def export(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    unit: Unit,
    kind: Kind,
    year: Year,
    name: Name = "",
    form: PrintedForm | None = None,
    xlsx: bool = False,
) -> Response:
    """The whole book as a file for spreadsheet programs, in the decree's columns."""
    viewer.require(DeskRight.SEE, unit)
    key = BookKey(unit, kind, year, name)
    shown = form or PrintedForm(kind.value)

    def read(conn: Connection) -> list[Entry]:
        told = JournalEntry(now_ms(), viewer.person.name, Act.EXPORTED, unit, str(key), "", viewer.address)
        journal.record(conn, told)
        return books.entries(conn, key)

    table = [headings(shown), *rows(shown, await services.change(read))]
    file = f"{shown.value}-{unit}-{year}.{'xlsx' if xlsx else 'csv'}"
    headers = {"content-disposition": f'attachment; filename="{file}"'}
    if xlsx:
        return Response(workbook(table, sheet=str(year)), media_type=_XLSX, headers=headers)
    text = BOM + lines(table, _SEPARATORS[Preferences.of(request.cookies).separator])
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/registers/{unit}/{kind}/{year}/entries")
async def write_entry(
    *,
    services: Parts,
    viewer: Looking,
    unit: Unit,
    kind: Kind,
    year: Year,
    name: Name = "",
    day: Annotated[Day, Form()],
    subject: Text,
    number: Annotated[int | None, Form(ge=1, le=books.MAX_NUMBER)] = None,
    author: Short = "",
    notation: Annotated[OneLine, Form(max_length=100)] = "",
    issued_on: Annotated[Day | None, Form()] = None,
    type: Short = "công văn",  # noqa: A002 - the field's name
    signer: Short = "",
    recipients: Text = "",
    urgency: Annotated[Urgency, Form()] = Urgency.NORMAL,
    due: Annotated[Day | None, Form()] = None,
    note: Text = "",
) -> Response:
    """Enter what did not come by the line: paper, in the same series."""
    fields = fields_of(
        day=day,
        subject=subject,
        author=author,
        notation=notation,
        issued_on=issued_on,
        type=type,
        signer=signer,
        recipients=recipients,
        urgency=urgency,
        due=due,
        note=note,
    )
    key = _own(viewer, unit, kind, day.year if kind is BookKind.INCOMING else year, name)

    def act(conn: Connection) -> None:
        given = books.enter(conn, key, fields, _author(viewer), number=number)
        _note(conn, viewer, key, Act.ENTRY_WRITTEN, given)

    await services.change(act)
    return _back(key)


@router.post("/registers/{unit}/{kind}/{year}/reserve")
async def reserve(
    *,
    services: Parts,
    viewer: Looking,
    unit: Unit,
    kind: Kind,
    year: Year,
    name: Name = "",
    count: Annotated[int, Form(ge=1, le=books.MAX_RESERVED)] = 1,
    reason: Reason = "",
) -> Response:
    """Take the next numbers for documents that are still to come."""
    key = _own(viewer, unit, kind, year, name)

    def act(conn: Connection) -> None:
        numbers = books.reserve(conn, key, count, _author(viewer, reason))
        _note(conn, viewer, key, Act.NUMBERS_RESERVED, *numbers)

    await services.change(act)
    return _back(key)


@router.get("/registers/{unit}/{kind}/{year}/{number}")
async def show_entry(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    unit: Unit,
    kind: Kind,
    year: Year,
    number: Number,
    name: Name = "",
) -> Response:
    """One number: what was written under it, and the forms that put it right."""
    viewer.require(DeskRight.SEE, unit)
    key = BookKey(unit, kind, year, name)
    found = await services.look(lambda conn: books.get_entry(conn, key, number))
    return page(request, viewer, "entry.html", key=key, entry=found, may=viewer.may(DeskRight.REGISTER, unit))


@router.post("/registers/{unit}/{kind}/{year}/{number}/correct")
async def correct(
    *,
    services: Parts,
    viewer: Looking,
    unit: Unit,
    kind: Kind,
    year: Year,
    number: Number,
    name: Name = "",
    version: Annotated[int, Form(ge=1)],
    day: Annotated[Day, Form()],
    subject: Text,
    reason: Reason = "",
    author: Short = "",
    notation: Annotated[OneLine, Form(max_length=100)] = "",
    issued_on: Annotated[Day | None, Form()] = None,
    type: Short = "công văn",  # noqa: A002 - the field's name
    signer: Short = "",
    recipients: Text = "",
    due: Annotated[Day | None, Form()] = None,
    note: Text = "",
) -> Response:
    """Put an entry right; what it said before stays readable."""
    key = _own(viewer, unit, kind, year, name)
    said = {"day": day, "subject": subject, "author": author, "notation": notation, "issued_on": issued_on}
    said |= {"type": type, "signer": signer, "recipients": recipients, "due": due, "note": note}

    def act(conn: Connection) -> None:
        before = books.get_entry(conn, key, number).fields
        fields = fields_of(**((before.model_dump() if before else {}) | said))
        books.correct(conn, key, number, fields, _author(viewer, reason), version=version)
        _note(conn, viewer, key, Act.ENTRY_CORRECTED, number, reason=reason)

    await services.change(act)
    return _back(key, number)


@router.post("/registers/{unit}/{kind}/{year}/{number}/strike")
async def strike(
    *,
    services: Parts,
    viewer: Looking,
    unit: Unit,
    kind: Kind,
    year: Year,
    number: Number,
    name: Name = "",
    version: Annotated[int, Form(ge=1)],
    reason: Reason = "",
) -> Response:
    """Strike an entry through; its number is never given again."""
    key = _own(viewer, unit, kind, year, name)

    def act(conn: Connection) -> None:
        books.strike(conn, key, number, _author(viewer, reason), version=version)
        _note(conn, viewer, key, Act.ENTRY_STRUCK, number, reason=reason)

    await services.change(act)
    return _back(key, number)


@router.post("/registers/{unit}/{kind}/{year}/begin")
async def begin(
    *,
    services: Parts,
    viewer: Looking,
    unit: Unit,
    kind: Kind,
    year: Year,
    name: Name = "",
    first: Annotated[int, Form(ge=1, le=books.MAX_NUMBER)] = 1,
) -> Response:
    """Begin a book with a number of its own, as when a year's first ones stand on paper."""
    key = _own(viewer, unit, kind, year, name)

    def act(conn: Connection) -> None:
        books.begin(conn, key, first)
        _note(conn, viewer, key, Act.BOOK_BEGUN, first)

    await services.change(act)
    return _back(key)


@router.post("/registers/{unit}/{kind}/{year}/close")
async def close(*, services: Parts, viewer: Looking, unit: Unit, kind: Kind, year: Year, name: Name = "") -> Response:
    """Khóa sổ: nothing in it changes from then on."""
    key = _own(viewer, unit, kind, year, name)

    def act(conn: Connection) -> None:
        books.close(conn, key, _author(viewer))
        _note(conn, viewer, key, Act.BOOK_CLOSED)

    await services.change(act)
    return _back(key)


def _own(viewer: Viewer, unit: str, kind: BookKind, year: int, name: str) -> BookKey:
    """The book, for one who may write in it.

    Raises:
        DeskForbiddenError: the person may not.
    """
    if not viewer.may(DeskRight.REGISTER, unit):
        raise DeskForbiddenError("only a clerk of the unit writes in its registers")
    return BookKey(unit, kind, year, name)


def _author(viewer: Viewer, reason: str = "") -> EntryAuthor:
    return EntryAuthor(viewer.card.full_name, now_ms(), viewer.card.department, reason)


def _note(conn: Connection, viewer: Viewer, key: BookKey, act: Act, *numbers: int, reason: str = "") -> None:
    detail = ", ".join(filter(None, (*map(str, numbers), reason)))
    told = JournalEntry(now_ms(), viewer.person.name, act, key.unit, str(key), detail, viewer.address)
    journal.record(conn, told)


def _back(key: BookKey, number: int | None = None) -> Response:
    place = f"/registers/{key.unit}/{key.kind.value}/{key.year}" + ("" if number is None else f"/{number}")
    return RedirectResponse(link(place, name=key.name), _SEE_OTHER)
