"""The forms of a document's page: each is one act of :mod:`consumers.reading.handling`, and leads back to the page."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import Field

from consumers.desk.access import DeskViewer, Looking, Parts
from consumers.desk.document import document_page, read_document
from consumers.desk.fields import fields_of
from consumers.desk.pages import link
from consumers.desk.services import DeskServices
from consumers.errors import DocumentMovedError, NotForThemError
from consumers.reading import handling as acts
from consumers.reading import undoing
from consumers.reading.handling import Acting, Direction, Looked
from consumers.spool import book_entries, handling
from consumers.spool.people import DeskRight, holders
from router.pages.language import N_
from schemas.clock import Day
from schemas.text import OneLine

_SEE_OTHER, _CONFLICT = 303, 409
_NO_REASON = N_("Say why; the issuer reads it.")
_NO_LEAD = N_("Say who leads.")
_NOT_FOR_THEM = N_("Name only people who may see this document; a state secret those who are cleared.")
_NO_LEADER = N_("Choose a leader.")
_NO_DAY = N_("The day of arrival is today or a day of the last year.")
_MOVED = N_("Somebody dealt with it meanwhile: here it is as it is now. Nothing of yours was done.")
router = APIRouter(prefix="/incoming/{delivery_id}")
Line = Annotated[OneLine, Form(max_length=200)]
Long = Annotated[OneLine, Form(max_length=500)]
Words = Annotated[str, Form(max_length=handling.MAX_WORDS)]
Named = Annotated[tuple[Annotated[OneLine, Field(max_length=200)], ...], Form(max_length=handling.MAX_NAMED)]


@dataclass(frozen=True, slots=True)
class SentForm:
    """A form as it came in: of which document, as its page was seen, by whom."""

    request: Request
    services: DeskServices
    viewer: DeskViewer
    looked: Looked

    def by(self, right: DeskRight) -> Acting:
        """Whoever sent it, where they have a right."""
        return self.viewer.by(right)

    async def do(self, act: Callable[[], object]) -> Response:
        """Act, and lead back to the document; when somebody was faster, it is shown as it is now."""
        try:
            await asyncio.to_thread(act)
        except DocumentMovedError:
            return await self.again(_MOVED, status=_CONFLICT)
        except NotForThemError:
            return await self.again(_NOT_FOR_THEM)
        return RedirectResponse(link(f"/incoming/{self.looked.delivery_id}"), _SEE_OTHER)

    async def again(self, problem: str, *, status: int = 422) -> Response:
        """The document's page with what is wrong with the form."""
        return await document_page(
            self.request, self.services, self.viewer, self.looked.delivery_id, problem=problem, status=status
        )


async def sent(
    request: Request,
    services: Parts,
    viewer: Looking,
    delivery_id: str,
    seen: Annotated[str, Form(max_length=200)],
) -> SentForm:
    """What every form of the page carries."""
    return SentForm(request, services, viewer, Looked(delivery_id, seen))


ThisForm = Annotated[SentForm, Depends(sent)]


@router.post("/register")
async def register(
    *,
    form: ThisForm,
    day: Annotated[Day, Form()],
    subject: Long,
    number: Annotated[int | None, Form(ge=1, le=book_entries.MAX_NUMBER)] = None,
    hour: Annotated[str, Form(max_length=5)] = "",
    author: Line = "",
    notation: Annotated[OneLine, Form(max_length=100)] = "",
    issued_on: Annotated[Day | None, Form()] = None,
    type: Line = "",  # noqa: A002 - the field's name
    signer: Line = "",
    position: Line = "",
    pages: Annotated[int | None, Form(ge=1, le=100_000)] = None,
    recipients: Long = "",
    due: Annotated[Day | None, Form()] = None,
    file_number: Annotated[OneLine, Form(max_length=50)] = "",
    note: Long = "",
) -> Response:
    """Enter it in the arrival book under the number that was shown."""
    services, looked, by = form.services, form.looked, form.by(DeskRight.REGISTER)
    if not services.may_be_of(day):
        return await form.again(_NO_DAY)
    _, letter = await read_document(services, form.viewer, looked.delivery_id)
    fields = fields_of(
        day=day,
        hour=hour,
        author=author,
        notation=notation,
        issued_on=issued_on,
        type=type,
        subject=subject,
        signer=signer,
        position=position,
        urgency=letter.urgency,
        secrecy=letter.secrecy,
        pages=pages,
        recipients=recipients,
        due=due,
        file_number=file_number,
        note=note,
    )
    return await form.do(lambda: acts.register(services.spool, looked, by, fields, number=number))


@router.post("/refuse")
async def refuse(*, form: ThisForm, reason: Line = "", other: Long = "") -> Response:
    """Send it back to its issuer with the reason."""
    told = ": ".join(filter(None, (reason, other)))
    if not told:
        return await form.again(_NO_REASON)
    by = form.by(DeskRight.REGISTER)
    return await form.do(lambda: acts.refuse(form.services.spool, form.looked, by, told))


@router.post("/submit")
async def submit(*, form: ThisForm, leader: Line = "", words: Words = "") -> Response:
    """Put it before a leader."""
    entry, _ = await read_document(form.services, form.viewer, form.looked.delivery_id)
    leaders = await form.services.look(lambda conn: holders(conn, entry.unit, DeskRight.DIRECT, secret=entry.secret))
    chosen = next((card for card in leaders if card.login == leader), None)
    if chosen is None:
        return await form.again(_NO_LEADER)
    by = form.by(DeskRight.REGISTER)
    return await form.do(lambda: acts.submit(form.services.spool, form.looked, by, chosen, words))


@router.post("/direct")
async def direct(
    *,
    form: ThisForm,
    instruction: Words = "",
    lead: Line = "",
    coordinate: Named = (),
    know: Named = (),
    until: Annotated[Day | None, Form()] = None,
) -> Response:
    """Say who does what by when."""
    if not lead:
        return await form.again(_NO_LEAD)
    until_ms = None if until is None else form.services.calendar.closing(until)
    direction = Direction(instruction, lead, coordinate, know, until, until_ms)
    by = form.by(DeskRight.DIRECT)
    return await form.do(lambda: acts.direct(form.services.spool, form.looked, by, direction))


@router.post("/process")
async def process(*, form: ThisForm, words: Words = "") -> Response:
    """Say that somebody is at it, or how far it is."""
    by = form.by(DeskRight.PROCESS)
    return await form.do(lambda: acts.process(form.services.spool, form.looked, by, words))


@router.post("/complete")
async def complete(
    *, form: ThisForm, words: Words = "", answer: Annotated[OneLine, Form(max_length=100)] = ""
) -> Response:
    """Say that it is done, and which document answers it."""
    by = form.by(DeskRight.PROCESS)
    return await form.do(lambda: acts.complete(form.services.spool, form.looked, by, words, answer=answer))


@router.post("/undo")
async def undo(*, form: ThisForm, reason: Long = "") -> Response:
    """Undo the step that the document's state comes from."""
    if not reason:
        return await form.again(_NO_REASON)
    entry, _ = await read_document(form.services, form.viewer, form.looked.delivery_id)
    by = form.by(undoing.RIGHT_TO_UNDO.get(entry.state, DeskRight.REGISTER))
    return await form.do(lambda: undoing.step_back(form.services.spool, form.looked, by, reason))


@router.post("/recall")
async def answer_recall(*, form: ThisForm, accept: Annotated[bool, Form()], reason: Long = "") -> Response:
    """Give it back, or keep it with a reason."""
    if not accept and not reason:
        return await form.again(_NO_REASON)
    by = form.by(DeskRight.REGISTER)
    return await form.do(lambda: acts.answer_change(form.services.spool, form.looked, by, accept=accept, reason=reason))
