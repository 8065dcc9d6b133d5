"""What a clerk writes into the registers by hand: paper, reserved numbers, corrections, strikes, begin and end."""

import asyncio
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from consumers.desk.access import DeskViewer, Looking, Parts
from consumers.desk.fields import fields_of
from consumers.desk.pages import link
from consumers.desk.registers import PLACE, Key, Number, note
from consumers.desk.services import DeskServices
from consumers.errors import BookError, UnknownDeliveryError
from consumers.reading import undoing
from consumers.reading.handling import Looked, looked_at
from consumers.spool import book_entries, books, confirming
from consumers.spool.book_entries import BookKey, Entry, EntryAuthor, EntryState
from consumers.spool.journal import JournalAct
from consumers.spool.people import DeskRight
from schemas.clock import Day, now_ms
from schemas.dispatch import Secrecy, Urgency
from schemas.errors import FieldProblem, InvalidError
from schemas.register import BookKind
from schemas.text import OneLine

_SEE_OTHER = 303
router = APIRouter(prefix=PLACE)
Version = Annotated[int, Form(ge=1)]
Text = Annotated[OneLine, Form(max_length=500)]
Short = Annotated[OneLine, Form(max_length=200)]
Notation = Annotated[OneLine, Form(max_length=100)]
OptionalDay = Annotated[Day | None, Form()]
AnotherNumber = Annotated[int | None, Form(ge=1, le=book_entries.MAX_NUMBER)]
Hour = Annotated[str, Form(max_length=5)]
Count = Annotated[int | None, Form(ge=1, le=100_000)]
FileNumber = Annotated[OneLine, Form(max_length=50)]


async def own_key(viewer: Looking, key: Key) -> BookKey:
    """The book, for a clerk of its unit.

    Raises:
        DeskForbiddenError: the person is none.
    """
    viewer.require(DeskRight.REGISTER, key.unit)
    return key


OwnKey = Annotated[BookKey, Depends(own_key)]


@router.post("/entries")
async def write_entry(
    *,
    services: Parts,
    viewer: Looking,
    key: OwnKey,
    day: Annotated[Day, Form()],
    subject: Text,
    number: Annotated[int | None, Form(ge=1, le=book_entries.MAX_NUMBER)] = None,
    author: Short = "",
    notation: Notation = "",
    issued_on: OptionalDay = None,
    type: Short = "",  # noqa: A002 - the field's name
    signer: Short = "",
    position: Short = "",
    hour: Hour = "",
    pages: Count = None,
    copies: Count = None,
    recipients: Text = "",
    keeper: Short = "",
    passed_on: OptionalDay = None,
    file_number: FileNumber = "",
    secrecy: Annotated[Secrecy, Form()] = Secrecy.NONE,
    urgency: Annotated[Urgency, Form()] = Urgency.NORMAL,
    due: OptionalDay = None,
    note_: Annotated[OneLine, Form(alias="note", max_length=500)] = "",
) -> Response:
    """Enter what does not come or go by the line: paper, in the same series; what came in its day's year."""
    fields = fields_of(
        day=day,
        subject=subject,
        author=author,
        notation=notation,
        issued_on=issued_on,
        type=type,
        signer=signer,
        position=position,
        hour=hour,
        pages=pages,
        copies=copies,
        recipients=recipients,
        keeper=keeper,
        passed_on=passed_on,
        file_number=file_number,
        secrecy=secrecy,
        urgency=urgency,
        due=due,
        note=note_,
    )
    if key.kind is BookKind.INCOMING and not services.may_be_of(day):
        raise InvalidError("entry", [FieldProblem("day", "is neither today nor a day of the last year")])
    place = BookKey(key.unit, key.kind, day.year, key.name) if key.kind is BookKind.INCOMING else key

    def act(conn: Connection) -> None:
        given = books.enter(conn, place, fields, _author(viewer), number=number)
        note(conn, viewer, place, JournalAct.ENTRY_WRITTEN, given)

    await services.change(act)
    return _back(place)


@router.post("/reserve")
async def reserve(
    *,
    services: Parts,
    viewer: Looking,
    key: OwnKey,
    count: Annotated[int, Form(ge=1, le=books.MAX_RESERVED)] = 1,
    reason: Text = "",
) -> Response:
    """Take the next numbers for documents that are still to come."""

    def act(conn: Connection) -> None:
        numbers = books.reserve(conn, key, count, _author(viewer, reason))
        note(conn, viewer, key, JournalAct.NUMBERS_RESERVED, *numbers)

    await services.change(act)
    return _back(key)


@router.post("/begin")
async def begin(
    services: Parts, viewer: Looking, key: OwnKey, first: Annotated[int, Form(ge=1, le=book_entries.MAX_NUMBER)]
) -> Response:
    """Begin a book with a number of its own, as when a year's first ones stand on paper."""

    def act(conn: Connection) -> None:
        books.begin(conn, key, first)
        note(conn, viewer, key, JournalAct.BOOK_BEGUN, first)

    await services.change(act)
    return _back(key)


@router.post("/next-number")
async def say_next(
    services: Parts, viewer: Looking, key: OwnKey, following: Annotated[int, Form(ge=1, le=book_entries.MAX_NUMBER)]
) -> Response:
    """Say after a loss which number comes next, as the last stamp on paper shows it."""

    def act(conn: Connection) -> None:
        confirming.confirm(conn, key, following, _author(viewer, confirming.REASON))
        note(conn, viewer, key, JournalAct.NEXT_NUMBER_SAID, following)

    await services.change(act)
    return _back(key)


@router.post("/close")
async def close(services: Parts, viewer: Looking, key: OwnKey) -> Response:
    """Khóa sổ: nothing in it changes from then on."""

    def act(conn: Connection) -> None:
        books.close(conn, key, _author(viewer))
        note(conn, viewer, key, JournalAct.BOOK_CLOSED)

    await services.change(act)
    return _back(key)


@router.post("/{number}/correct")
async def correct(
    *,
    services: Parts,
    viewer: Looking,
    key: OwnKey,
    number: Number,
    version: Version,
    day: Annotated[Day, Form()],
    subject: Text,
    reason: Text = "",
    author: Short = "",
    notation: Notation = "",
    issued_on: OptionalDay = None,
    type: Short = "",  # noqa: A002 - the field's name
    signer: Short = "",
    position: Short = "",
    hour: Hour = "",
    pages: Count = None,
    copies: Count = None,
    recipients: Text = "",
    keeper: Short = "",
    passed_on: OptionalDay = None,
    file_number: FileNumber = "",
    secrecy: Annotated[Secrecy | None, Form()] = None,
    due: OptionalDay = None,
    note_: Annotated[OneLine, Form(alias="note", max_length=500)] = "",
) -> Response:
    """Put an entry right, or write a lost one again; what it said before stays readable."""
    said = {"day": day, "subject": subject, "author": author, "notation": notation, "issued_on": issued_on}
    said |= {"type": type, "signer": signer, "position": position, "hour": hour, "pages": pages, "copies": copies}
    said |= {"recipients": recipients, "keeper": keeper, "passed_on": passed_on, "file_number": file_number}
    said |= {"due": due, "note": note_} | ({} if secrecy is None else {"secrecy": secrecy})
    entry, document = await _entry(services, viewer, key, number)
    fields = fields_of(**((entry.fields.model_dump() if entry.fields else {}) | said))
    if document is not None:
        by = viewer.by(DeskRight.REGISTER)
        await asyncio.to_thread(undoing.correct_entry, services.spool, document, by, fields, reason, version=version)
        return _back(key, number)

    def act(conn: Connection) -> None:
        books.correct(conn, key, number, fields, _author(viewer, reason), version=version)
        note(conn, viewer, key, JournalAct.ENTRY_CORRECTED, number, reason=reason)

    await services.change(act)
    return _back(key, number)


@router.post("/{number}/renumber")
async def renumber(
    *, services: Parts, viewer: Looking, key: OwnKey, number: Number, reason: Text = "", another: AnotherNumber = None
) -> Response:
    """Give the document of an entry another number; this one is struck through, and its issuer is told."""
    _, document = await _entry(services, viewer, key, number)
    if document is None:
        raise BookError(f"the document of number {number} is not here any more; strike the entry through instead")
    by = viewer.by(DeskRight.REGISTER)
    given = await asyncio.to_thread(undoing.renumber, services.spool, document, by, reason, number=another)
    return _back(key, given)


@router.post("/{number}/strike")
async def strike(
    *, services: Parts, viewer: Looking, key: OwnKey, number: Number, version: Version, reason: Text = ""
) -> Response:
    """Strike an entry through; its number is never given again. A registered document is unregistered by that."""
    entry, document = await _entry(services, viewer, key, number)
    if document is not None and entry.versions[-1].version == version:
        by = viewer.by(DeskRight.REGISTER)
        await asyncio.to_thread(undoing.unregister, services.spool, document, by, reason)
        return _back(key, number)

    def act(conn: Connection) -> None:
        books.strike(conn, key, number, _author(viewer, reason), version=version)
        note(conn, viewer, key, JournalAct.ENTRY_STRUCK, number, reason=reason)

    await services.change(act)
    return _back(key, number)


async def _entry(services: DeskServices, viewer: DeskViewer, key: BookKey, number: int) -> tuple[Entry, Looked | None]:
    """An entry, and the document that it is of, when that is here."""

    def read(conn: Connection) -> tuple[Entry, Looked | None]:
        found = book_entries.get_entry(conn, key, number)
        if found.delivery_id is None or found.state is not EntryState.ENTERED:
            return found, None
        with suppress(UnknownDeliveryError):
            return found, looked_at(conn, found.delivery_id, viewer.units())[1]
        return found, None

    return await services.look(read)


def _author(viewer: DeskViewer, reason: str = "") -> EntryAuthor:
    return EntryAuthor(viewer.card.full_name, now_ms(), viewer.card.department, reason)


def _back(key: BookKey, number: int | None = None) -> Response:
    place = f"/registers/{key.unit}/{key.kind.value}/{key.year}" + ("" if number is None else f"/{number}")
    return RedirectResponse(link(place, name=key.name), _SEE_OTHER)
