"""One document: its letter, its files, how it is dealt with, and the acts that state and roles allow."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from consumers.desk.access import Looking, Parts, Viewer
from consumers.desk.fields import fields_of
from consumers.desk.pages import link, page
from consumers.desk.services import DeskServices
from consumers.desk.words import REASONS
from consumers.errors import DocumentMovedError
from consumers.reading import desk_lists
from consumers.reading import handling as acts
from consumers.reading.handling import Direction, Looked, looked_at
from consumers.reading.inbox import InboxEntry, descriptor_of, receipts_of
from consumers.spool import books, handling
from consumers.spool.books import BookKey
from consumers.spool.people import DeskRight, cards, holders
from router.pages.language import N_
from schemas.clock import Day
from schemas.descriptor import Descriptor
from schemas.dispatch import Urgency
from schemas.register import BookKind, from_letter
from schemas.states import Status
from schemas.text import OneLine

_SEE_OTHER, _UNPROCESSABLE = 303, 422
_NO_REASON = N_("Say why; the issuer reads it.")
_NO_LEAD = N_("Say who leads.")
_NO_LEADER = N_("Choose a leader.")
_CAN_DIRECT = frozenset({Status.REGISTERED, Status.ASSIGNED, Status.PROCESSING, Status.CHANGE_REFUSED})
router = APIRouter()
Seen = Annotated[str, Form(max_length=200)]
Line = Annotated[OneLine, Form(max_length=200)]
Words = Annotated[str, Form(max_length=handling.MAX_WORDS)]
Named = Annotated[tuple[str, ...], Form(max_length=handling.MAX_NAMED)]


@router.get("/incoming/{delivery_id}")
async def show_document(request: Request, services: Parts, viewer: Looking, delivery_id: str) -> Response:
    """The document, and what can be done with it."""
    return await _page(request, services, viewer, delivery_id)


@router.get("/incoming/{delivery_id}/slip")
async def show_slip(request: Request, services: Parts, viewer: Looking, delivery_id: str) -> Response:
    """Phiếu giải quyết văn bản đến, with the stamp ĐẾN, to be printed."""
    entry, descriptor = await _read(services, viewer, delivery_id)

    def read(conn: Connection) -> dict[str, Any]:
        _, _, pos = looked_at(conn, delivery_id, viewer.units())
        entered = books.entry_of(conn, delivery_id)
        fields = entered.fields if entered else None
        arrived = "" if fields is None else " ".join(filter(None, (f"{fields.day:%d/%m/%Y}", fields.hour)))
        number = "" if entered is None else str(entered.number)
        return {"steps": handling.steps(conn, pos), "fields": fields, "arrived": arrived, "number": number}

    return page(request, viewer, "slip.html", entry=entry, letter=descriptor, **await services.look(read))


@router.post("/incoming/{delivery_id}/register")
async def register(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    delivery_id: str,
    seen: Seen,
    day: Annotated[Day, Form()],
    number: Annotated[int | None, Form(ge=1, le=books.MAX_NUMBER)] = None,
    hour: Annotated[str, Form(max_length=5)] = "",
    author: Line = "",
    notation: Annotated[OneLine, Form(max_length=100)] = "",
    issued_on: Annotated[Day | None, Form()] = None,
    type: Line = "công văn",  # noqa: A002 - the field's name
    subject: Annotated[OneLine, Form(max_length=500)],
    signer: Line = "",
    pages: Annotated[int | None, Form(ge=1, le=100_000)] = None,
    recipients: Annotated[OneLine, Form(max_length=500)] = "",
    due: Annotated[Day | None, Form()] = None,
    file_number: Annotated[OneLine, Form(max_length=50)] = "",
    note: Annotated[OneLine, Form(max_length=500)] = "",
) -> Response:
    """Enter it in the arrival book under the number that was shown."""
    entry, descriptor = await _read(services, viewer, delivery_id)
    viewer.require(DeskRight.REGISTER, entry.unit)
    fields = fields_of(
        day=day,
        hour=hour,
        author=author,
        notation=notation,
        issued_on=issued_on,
        type=type,
        subject=subject,
        signer=signer,
        urgency=descriptor.urgency,
        secrecy=descriptor.secrecy,
        pages=pages,
        recipients=recipients,
        due=due,
        file_number=file_number,
        note=note,
    )
    by = viewer.by(DeskRight.REGISTER)
    looked = Looked(delivery_id, seen)
    return await _done(
        request,
        services,
        viewer,
        delivery_id,
        lambda: acts.register(services.spool, looked, by, fields, number=number),
    )


@router.post("/incoming/{delivery_id}/refuse")
async def refuse(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    delivery_id: str,
    seen: Seen,
    reason: Line = "",
    other: Annotated[OneLine, Form(max_length=500)] = "",
) -> Response:
    """Send it back to its issuer with the reason."""
    told = ": ".join(filter(None, (reason, other)))
    if not told:
        return await _page(request, services, viewer, delivery_id, problem=_NO_REASON)
    by, looked = viewer.by(DeskRight.REGISTER), Looked(delivery_id, seen)
    return await _done(request, services, viewer, delivery_id, lambda: acts.refuse(services.spool, looked, by, told))


@router.post("/incoming/{delivery_id}/submit")
async def submit(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    delivery_id: str,
    seen: Seen,
    leader: Line = "",
    words: Words = "",
) -> Response:
    """Put it before a leader."""
    entry, _ = await _read(services, viewer, delivery_id)
    leaders = await services.look(lambda conn: holders(conn, entry.unit, DeskRight.DIRECT))
    chosen = next((card for card in leaders if card.login == leader), None)
    if chosen is None:
        return await _page(request, services, viewer, delivery_id, problem=_NO_LEADER)
    by, looked = viewer.by(DeskRight.REGISTER), Looked(delivery_id, seen)
    return await _done(
        request,
        services,
        viewer,
        delivery_id,
        lambda: acts.submit(services.spool, looked, by, chosen, words),
    )


@router.post("/incoming/{delivery_id}/direct")
async def direct(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    delivery_id: str,
    seen: Seen,
    instruction: Words = "",
    lead: Line = "",
    coordinate: Named = (),
    know: Named = (),
    until: Annotated[Day | None, Form()] = None,
) -> Response:
    """Say who does what by when."""
    if not lead:
        return await _page(request, services, viewer, delivery_id, problem=_NO_LEAD)
    named = tuple(dict.fromkeys(filter(None, (lead, *coordinate, *know))))
    known = await services.look(lambda conn: cards(conn, named))
    until_ms = None if until is None else services.calendar.closing(until)
    direction = Direction(instruction, lead, _without(coordinate, lead), _without(know, lead), until, until_ms)
    by, looked = viewer.by(DeskRight.DIRECT), Looked(delivery_id, seen)
    return await _done(
        request,
        services,
        viewer,
        delivery_id,
        lambda: acts.direct(services.spool, looked, by, direction, known),
    )


@router.post("/incoming/{delivery_id}/process")
async def process(
    *, request: Request, services: Parts, viewer: Looking, delivery_id: str, seen: Seen, words: Words = ""
) -> Response:
    """Say that somebody is at it, or how far it is."""
    by, looked = viewer.by(DeskRight.PROCESS), Looked(delivery_id, seen)
    return await _done(request, services, viewer, delivery_id, lambda: acts.process(services.spool, looked, by, words))


@router.post("/incoming/{delivery_id}/complete")
async def complete(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    delivery_id: str,
    seen: Seen,
    words: Words = "",
    answer: Annotated[OneLine, Form(max_length=100)] = "",
) -> Response:
    """Say that it is done, and which document answers it."""
    by, looked = viewer.by(DeskRight.PROCESS), Looked(delivery_id, seen)
    return await _done(
        request,
        services,
        viewer,
        delivery_id,
        lambda: acts.complete(services.spool, looked, by, words, answer=answer),
    )


@router.post("/incoming/{delivery_id}/recall")
async def answer_recall(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    delivery_id: str,
    seen: Seen,
    accept: Annotated[bool, Form()],
    reason: Annotated[OneLine, Form(max_length=500)] = "",
) -> Response:
    """Give it back, or keep it with a reason."""
    if not accept and not reason:
        return await _page(request, services, viewer, delivery_id, problem=_NO_REASON)
    by, looked = viewer.by(DeskRight.REGISTER), Looked(delivery_id, seen)
    return await _done(
        request,
        services,
        viewer,
        delivery_id,
        lambda: acts.answer_change(services.spool, looked, by, accept=accept, reason=reason),
    )


async def _done(
    request: Request, services: DeskServices, viewer: Viewer, delivery_id: str, act: Callable[[], object]
) -> Response:
    """The way back to the document after an act; the document as it is now when somebody was faster."""
    try:
        await asyncio.to_thread(act)
    except DocumentMovedError:
        moved = N_("Somebody dealt with it meanwhile: here it is as it is now. Nothing of yours was done.")
        return await _page(request, services, viewer, delivery_id, problem=moved, status=409)
    return RedirectResponse(link(f"/incoming/{delivery_id}"), _SEE_OTHER)


async def _read(services: DeskServices, viewer: Viewer, delivery_id: str) -> tuple[InboxEntry, Descriptor]:
    units = viewer.units()
    entry, _, _ = await services.look(lambda conn: looked_at(conn, delivery_id, units))
    return entry, await asyncio.to_thread(descriptor_of, services.spool, delivery_id)


async def _page(
    request: Request,
    services: DeskServices,
    viewer: Viewer,
    delivery_id: str,
    *,
    problem: str = "",
    status: int = _UNPROCESSABLE,
) -> Response:
    descriptor: Descriptor = (await _read(services, viewer, delivery_id))[1]
    told = await asyncio.to_thread(receipts_of, services.spool, delivery_id)
    units, today = viewer.units(), services.today

    def read(conn: Connection) -> dict[str, Any]:
        entry, looked, pos = looked_at(conn, delivery_id, units)
        key = BookKey(entry.unit, BookKind.INCOMING, today.year)
        author = desk_lists.issuers_words(conn, entry.unit, entry.issuer) or entry.issuer
        return {
            "entry": entry,
            "looked": looked,
            "steps": handling.steps(conn, pos),
            "tasks": handling.tasks(conn, pos),
            "number": books.next_number(conn, key),
            "before": books.same_before(conn, entry.unit, BookKind.INCOMING, author, entry.notation),
            "fields": from_letter(
                descriptor, day=today, author=author, timezone=services.calendar.zone, hour=_hour(services, entry)
            ),
            "leaders": holders(conn, entry.unit, DeskRight.DIRECT),
            "workers": holders(conn, entry.unit, DeskRight.PROCESS),
        }

    found = await services.look(read)
    return page(
        request,
        viewer,
        "document.html",
        status=status if problem else 200,
        problem=problem,
        letter=descriptor,
        receipts=told,
        reasons=REASONS,
        may=_allowed(viewer, found["entry"]),
        **found,
    )


def _allowed(viewer: Viewer, entry: InboxEntry) -> frozenset[str]:
    """The acts that the state and the person's roles allow now."""
    clerk = viewer.may(DeskRight.REGISTER, entry.unit)
    found = {
        "register": clerk and entry.state is Status.ARRIVED,
        "refuse": clerk and entry.state is Status.ARRIVED,
        "submit": clerk and entry.state in _CAN_DIRECT,
        "direct": viewer.may(DeskRight.DIRECT, entry.unit) and entry.state in _CAN_DIRECT,
        "process": viewer.may(DeskRight.PROCESS, entry.unit) and entry.state in _CAN_DIRECT,
        "complete": viewer.may(DeskRight.PROCESS, entry.unit) and entry.state in _CAN_DIRECT,
        "recall": clerk and entry.state is Status.TAKE_BACK_REQUESTED,
    }
    return frozenset(name for name, allowed in found.items() if allowed)


def _hour(services: DeskServices, entry: InboxEntry) -> str | None:
    """When an urgent document came: the decree has the hour written down for it."""
    if entry.urgency < Urgency.VERY_URGENT:
        return None
    return f"{datetime.fromtimestamp(entry.taken_at / 1000, services.zone):%H:%M}"


def _without(named: tuple[str, ...], lead: str) -> tuple[str, ...]:
    return tuple(one for one in dict.fromkeys(named) if one and one != lead)
