"""One document: its letter, its files, how it is dealt with, and the forms that state and roles allow."""

import asyncio
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from consumers.desk.access import DeskViewer, Looking, Parts
from consumers.desk.pages import page
from consumers.desk.services import DeskServices
from consumers.desk.words import REASONS
from consumers.reading import desk_lists
from consumers.reading.handling import IN_WORK, looked_at
from consumers.reading.inbox import InboxEntry, descriptor_of, receipts_of
from consumers.reading.righting import last_step
from consumers.spool import book_entries, handling
from consumers.spool.book_entries import BookKey
from consumers.spool.people import DeskRight, holders
from consumers.spool.units import names_of
from schemas.descriptor import Descriptor
from schemas.dispatch import Urgency
from schemas.errors import TransitionError
from schemas.register import BookKind, from_letter
from schemas.states import Status

RIGHT_TO_UNDO = {
    Status.REFUSED: DeskRight.REGISTER,
    Status.REGISTERED: DeskRight.REGISTER,
    Status.ASSIGNED: DeskRight.DIRECT,
    Status.PROCESSING: DeskRight.PROCESS,
    Status.COMPLETED: DeskRight.PROCESS,
}
"""Whoever may take a step may undo it."""
router = APIRouter()


@router.get("/incoming/{delivery_id}")
async def show_document(request: Request, services: Parts, viewer: Looking, delivery_id: str) -> Response:
    """The document, and what can be done with it."""
    return await document_page(request, services, viewer, delivery_id)


@router.get("/incoming/{delivery_id}/slip")
async def show_slip(request: Request, services: Parts, viewer: Looking, delivery_id: str) -> Response:
    """Phiếu giải quyết văn bản đến, with the stamp ĐẾN, to be printed."""
    entry, letter = await read_document(services, viewer, delivery_id)

    def read(conn: Connection) -> dict[str, Any]:
        _, _, pos = looked_at(conn, delivery_id, viewer.units())
        entered = book_entries.entry_of(conn, delivery_id)
        fields = entered.fields if entered else None
        arrived = "" if fields is None else " ".join(filter(None, (f"{fields.day:%d/%m/%Y}", fields.hour)))
        number = "" if entered is None else str(entered.number)
        return {"steps": handling.steps(conn, pos), "fields": fields, "arrived": arrived, "number": number}

    return page(request, viewer, "slip.html", entry=entry, letter=letter, **await services.look(read))


async def read_document(services: DeskServices, viewer: DeskViewer, delivery_id: str) -> tuple[InboxEntry, Descriptor]:
    """A document of one of the person's units.

    Raises:
        UnknownDeliveryError: there is none.
    """
    units = viewer.units()
    entry, _, _ = await services.look(lambda conn: looked_at(conn, delivery_id, units))
    return entry, await asyncio.to_thread(descriptor_of, services.spool, delivery_id)


async def document_page(
    request: Request,
    services: DeskServices,
    viewer: DeskViewer,
    delivery_id: str,
    *,
    problem: str = "",
    status: int = 200,
) -> Response:
    """The page, with what is wrong with a form that was sent from it."""
    _, letter = await read_document(services, viewer, delivery_id)
    told = await asyncio.to_thread(receipts_of, services.spool, delivery_id)
    found = await services.look(lambda conn: _look(conn, services, viewer, delivery_id, letter))
    may = _allowed(viewer, found["entry"]) - ({"undo"} if found["before_step"] is None else set())
    context = {"problem": problem, "letter": letter, "receipts": told, "reasons": REASONS, "may": may, **found}
    return page(request, viewer, "document.html", status=status, **context)


def _look(
    conn: Connection, services: DeskServices, viewer: DeskViewer, delivery_id: str, letter: Descriptor
) -> dict[str, Any]:
    entry, looked, pos = looked_at(conn, delivery_id, viewer.units())
    today, zone = services.today, services.calendar.zone
    names = names_of(conn, {entry.issuer, entry.unit})
    author = desk_lists.issuers_words(conn, entry.unit, entry.issuer) or names.get(entry.issuer, entry.issuer)
    return {
        "entry": entry,
        "names": names,
        "looked": looked,
        "steps": handling.steps(conn, pos),
        "number": book_entries.next_number(conn, BookKey(entry.unit, BookKind.INCOMING, today.year)),
        "before": book_entries.same_before(conn, entry.unit, BookKind.INCOMING, author, entry.notation),
        "fields": from_letter(letter, day=today, author=author, timezone=zone, hour=_hour(services, entry)),
        "leaders": holders(conn, entry.unit, DeskRight.DIRECT),
        "before_step": _before_step(conn, entry),
        "workers": holders(conn, entry.unit, DeskRight.PROCESS),
    }


def _before_step(conn: Connection, entry: InboxEntry) -> Status | None:
    """What the document would be if its last step were undone; None: nothing can be."""
    try:
        return last_step(conn, entry).before
    except TransitionError:
        return None


def _allowed(viewer: DeskViewer, entry: InboxEntry) -> frozenset[str]:
    """The forms that the state and the person's roles allow now."""
    new, in_work, recalled = (
        entry.state is Status.ARRIVED,
        entry.state in IN_WORK,
        entry.state is Status.TAKE_BACK_REQUESTED,
    )
    forms = (
        (("register", "refuse"), new, DeskRight.REGISTER),
        (("submit",), in_work, DeskRight.REGISTER),
        (("direct",), in_work, DeskRight.DIRECT),
        (("process", "complete"), in_work, DeskRight.PROCESS),
        (("recall",), recalled, DeskRight.REGISTER),
        (("undo",), entry.state in RIGHT_TO_UNDO, RIGHT_TO_UNDO.get(entry.state, DeskRight.REGISTER)),
    )
    return frozenset(
        name for names, allowed, right in forms for name in names if allowed and viewer.may(right, entry.unit)
    )


def _hour(services: DeskServices, entry: InboxEntry) -> str | None:
    """When an urgent document came: the decree has the hour written down for it."""
    if entry.urgency < Urgency.VERY_URGENT:
        return None
    return f"{datetime.fromtimestamp(entry.taken_at / 1000, services.zone):%H:%M}"
