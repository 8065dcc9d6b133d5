"""One document: its letter, its files, how it is dealt with, and the forms that state and roles allow."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from consumers.desk.access import DeskViewer, Looking, Parts
from consumers.desk.files import frame_of, is_right
from consumers.desk.pages import page
from consumers.desk.services import DeskServices
from consumers.desk.words import REASONS
from consumers.reading.handling import arrival_book, looked_at
from consumers.reading.inbox import InboxEntry, receipts_of
from consumers.reading.readable import readable_letter
from consumers.reading.references import referred_by, refers_to
from consumers.reading.righting import last_step
from consumers.reading.suggesting import suggested
from consumers.reading.undoing import RIGHT_TO_UNDO
from consumers.spool import book_entries, handling
from consumers.spool.people import DeskRight, holders
from consumers.spool.units import names_of
from schemas.descriptor import Descriptor
from schemas.errors import TransitionError
from schemas.register import BookKind
from schemas.states import HELD, Status

router = APIRouter()


@router.get("/incoming/{delivery_id}")
async def show_document(
    *, request: Request, services: Parts, viewer: Looking, delivery_id: str, check: bool = False
) -> Response:
    """The document, and what can be done with it; ``check``: its files are hashed now."""
    return await document_page(request, services, viewer, delivery_id, check=check)


async def read_document(services: DeskServices, viewer: DeskViewer, delivery_id: str) -> tuple[InboxEntry, Descriptor]:
    """A document of one of the person's units, as far as it may be read.

    Raises:
        UnknownDeliveryError: there is none.
    """
    units = viewer.units()

    def read(conn: Connection) -> tuple[InboxEntry, Descriptor]:
        entry, _, _ = looked_at(conn, delivery_id, units)
        return entry, readable_letter(conn, entry)

    return await services.look(read)


async def document_page(
    request: Request,
    services: DeskServices,
    viewer: DeskViewer,
    delivery_id: str,
    *,
    problem: str = "",
    status: int = 200,
    check: bool = False,
) -> Response:
    """The page, with what is wrong with a form that was sent from it."""
    _, letter = await read_document(services, viewer, delivery_id)
    told = await asyncio.to_thread(receipts_of, services.spool, delivery_id)
    found = await services.look(lambda conn: _look(conn, services, viewer, delivery_id, letter))
    found["frames"] = list(map(frame_of, letter.attachments))
    found["held"] = found["entry"].state in HELD
    found["checked"] = await asyncio.to_thread(_checked, services, letter) if check and found["held"] else []
    may = _allowed(viewer, found["entry"]) - ({"undo"} if found["before_step"] is None else set())
    context = {"problem": problem, "letter": letter, "receipts": told, "reasons": REASONS, "may": may, **found}
    return page(request, viewer, "document.html", status=status, **context)


def _look(
    conn: Connection, services: DeskServices, viewer: DeskViewer, delivery_id: str, letter: Descriptor
) -> dict[str, Any]:
    entry, looked, pos = looked_at(conn, delivery_id, viewer.units())
    scope = viewer.units().only(entry.unit)
    fields = suggested(conn, scope, entry, letter, today=services.today, zone=services.zone)
    book = arrival_book(entry, services.today.year)
    return {
        "entry": entry,
        "names": names_of(conn, {entry.issuer, entry.unit}),
        "looked": looked,
        "steps": handling.steps(conn, pos),
        "number": book_entries.next_number(conn, book),
        "reserved": book_entries.reserved_numbers(conn, book),
        "before": book_entries.same_before(conn, scope, BookKind.INCOMING, fields.author, entry.notation),
        "fields": fields,
        "refers_to": refers_to(conn, scope, entry),
        "referred_by": referred_by(conn, scope, entry),
        "leaders": holders(conn, entry.unit, DeskRight.DIRECT, secret=entry.secret),
        "before_step": _before_step(conn, entry),
        "workers": holders(conn, entry.unit, DeskRight.PROCESS, secret=entry.secret),
    }


def _checked(services: DeskServices, letter: Descriptor) -> list[bool | None]:
    return [is_right(services.spool.path.parent, file) for file in letter.attachments]


def _before_step(conn: Connection, entry: InboxEntry) -> Status | None:
    """What the document would be if its last step were undone; None: nothing can be."""
    try:
        return last_step(conn, entry).before
    except TransitionError:
        return None


def _allowed(viewer: DeskViewer, entry: InboxEntry) -> frozenset[str]:
    """The forms that the state and the person's roles allow now."""
    in_work, recalled = entry.is_in_work, entry.state is Status.TAKE_BACK_REQUESTED
    forms = (
        (("register",), entry.is_new, DeskRight.REGISTER),
        (("refuse",), entry.state is Status.ARRIVED, DeskRight.REGISTER),
        (("submit",), in_work, DeskRight.REGISTER),
        (("direct",), in_work, DeskRight.DIRECT),
        (("process", "complete"), in_work, DeskRight.PROCESS),
        (("recall",), recalled, DeskRight.REGISTER),
        (("undo",), entry.state in RIGHT_TO_UNDO, RIGHT_TO_UNDO.get(entry.state, DeskRight.REGISTER)),
    )
    return frozenset(
        name for names, allowed, right in forms for name in names if allowed and viewer.may(right, entry.unit)
    )
