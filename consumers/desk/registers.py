"""Sổ: the registers of the units in the decree's columns: read, printed and exported."""

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from sqlalchemy import Connection

from consumers.desk.access import DeskViewer, Looking, Parts
from consumers.desk.following import progress_of
from consumers.desk.pages import page
from consumers.desk.workbook import workbook
from consumers.reading.registers import Form, headings, printed_rows, rows
from consumers.spool import book_entries, desk_letters, journal
from consumers.spool.book_entries import Book, BookKey, EntryState
from consumers.spool.journal import JournalAct, JournalEntry
from consumers.spool.people import DeskRight
from consumers.spool.units import names_of
from router.pages.preferences import Preferences
from router.pages.spreadsheet import BOM, Separator, lines
from schemas.clock import now_ms
from schemas.codes import UnitCode
from schemas.register import BookKind
from schemas.text import OneLine

PLACE = "/registers/{unit}/{kind}/{year}"
_AT_ONCE = 100
MAX_PRINTED = 1000
"""Numbers of one printed volume (quyển)."""
SEPARATORS = {"comma": Separator.COMMA, "semicolon": Separator.SEMICOLON}
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
router = APIRouter()
of_book = APIRouter(prefix=PLACE)
First = Annotated[int, Query(ge=1, le=book_entries.MAX_NUMBER)]
Last = Annotated[int, Query(ge=0, le=book_entries.MAX_NUMBER)]
Number = Annotated[int, Path(ge=1, le=book_entries.MAX_NUMBER)]


async def key_of(
    viewer: Looking,
    unit: Annotated[UnitCode, Path()],
    kind: Annotated[BookKind, Path()],
    year: Annotated[int, Path(ge=2000, le=2999)],
    name: Annotated[OneLine, Query(max_length=50)] = "",
) -> BookKey:
    """The book that an address names.

    Raises:
        DeskForbiddenError: it is of a unit that the person does not see, or of secrets that they do not see.
    """
    key = BookKey(unit, kind, year, name)
    viewer.require(DeskRight.SEE_SECRETS if key.secret else DeskRight.SEE, unit)
    return key


Key = Annotated[BookKey, Depends(key_of)]


@router.get("/registers")
async def show_registers(request: Request, services: Parts, viewer: Looking) -> Response:
    """The books of the person's units."""
    units = viewer.units()
    found = await services.look(lambda conn: book_entries.books(conn, units))
    return page(request, viewer, "registers.html", books=found, units=units, today=services.today)


@of_book.get("")
async def show_register(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    key: Key,
    form: Form | None = None,
    first: First = 1,
    last: Last = 0,
) -> Response:
    """A range of a book's numbers, the last ones when none is named, as it is printed."""
    shown = form or Form(key.kind.value)

    def read(conn: Connection) -> dict[str, Any]:
        book = _book(conn, viewer, key)
        begin = first if last else max(book.last - _AT_ONCE + 1, book.first)
        end = last or book.last
        found = book_entries.entries(conn, key, begin, min(end, begin + _AT_ONCE - 1))
        return {
            "to_be_said": book_entries.is_unconfirmed(conn, key) and book.closed_at is None,
            "book": book,
            "begin": begin,
            "end": min(end, begin + _AT_ONCE - 1),
            "entries": found,
            "lines": rows(shown, found, progress_of(conn, shown, found)),
        }

    found = await services.look(read)
    found |= {"key": key, "form": shown, "headings": headings(shown), "today": services.today, "at_once": _AT_ONCE}
    return page(request, viewer, "register.html", may=viewer.may(DeskRight.REGISTER, key.unit), **found)


@of_book.get("/print")
async def print_register(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    key: Key,
    form: Form | None = None,
    first: First = 1,
    last: Last = 0,
) -> Response:
    """A volume of a book as it is printed: its cover, its lines with what was put right, its end with signatures."""
    shown = form or Form(key.kind.value)

    def read(conn: Connection) -> dict[str, Any]:
        book = _book(conn, viewer, key)
        begin = max(first, book.first)
        end = min(last or book.last, book.last, begin + MAX_PRINTED - 1)
        found = book_entries.entries(conn, key, begin, end)
        days = [entry.fields.day for entry in found if entry.fields is not None]
        return {
            "book": book,
            "begin": begin,
            "end": end,
            "days": (min(days), max(days)) if days else None,
            "struck": [entry.state is EntryState.STRUCK for entry in found],
            "lines": printed_rows(shown, found, progress_of(conn, shown, found)),
            "body": names_of(conn, {key.unit}).get(key.unit, key.unit),
        }

    found = await services.look(read)
    found |= {"key": key, "form": shown, "headings": headings(shown), "head": services.head, "most": MAX_PRINTED}
    return page(request, viewer, "register_print.html", **found)


@of_book.get("/export")
async def export(
    *, request: Request, services: Parts, viewer: Looking, key: Key, form: Form | None = None, xlsx: bool = False
) -> Response:
    """The whole book as a file for spreadsheet programs, in the decree's columns."""
    shown = form or Form(key.kind.value)

    await services.change(lambda conn: note(conn, viewer, key, JournalAct.EXPORTED))
    table = await services.look(lambda conn: [headings(shown), *_all_rows(conn, shown, key)])
    file = f"{shown.value}-{key.unit}-{key.year}.{'xlsx' if xlsx else 'csv'}"
    headers = {"content-disposition": f'attachment; filename="{file}"'}
    if xlsx:
        content = await asyncio.to_thread(workbook, table, sheet=str(key.year))
        return Response(content, media_type=XLSX, headers=headers)
    separator = SEPARATORS[Preferences.of(request.cookies).separator]
    text = await asyncio.to_thread(lambda: BOM + lines(table, separator))
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


@of_book.get("/{number}")
async def show_entry(request: Request, services: Parts, viewer: Looking, key: Key, number: Number) -> Response:
    """One number: what was written under it, and the forms that put it right."""

    def read(conn: Connection) -> dict[str, Any]:
        return {
            "entry": book_entries.get_entry(conn, key, number),
            "sent": desk_letters.sent_under(conn, key, number),
        }

    found = await services.look(read)
    return page(request, viewer, "entry.html", key=key, may=viewer.may(DeskRight.REGISTER, key.unit), **found)


def _book(conn: Connection, viewer: DeskViewer, key: BookKey) -> Book:
    """A book as it is, or as it would begin."""
    return next((book for book in book_entries.books(conn, viewer.units()) if book.key == key), Book(key, 1, 0))


def _all_rows(conn: Connection, form: Form, key: BookKey) -> Iterator[list[str]]:
    for part in book_entries.parts(conn, key):
        yield from rows(form, part, progress_of(conn, form, part))


def note(conn: Connection, viewer: DeskViewer, key: BookKey, act: JournalAct, *numbers: int, reason: str = "") -> None:
    """Keep in the journal what somebody did to a book."""
    detail = ", ".join(filter(None, (*map(str, numbers), reason)))
    told = JournalEntry(now_ms(), viewer.person.name, act, key.unit, str(key), detail, viewer.address, key.secret)
    journal.record(conn, told)


router.include_router(of_book)
