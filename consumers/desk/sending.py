"""Văn bản đi is saved or sent: the form with its files as it comes, kept as a draft whatever is wrong, then sent."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from consumers.desk.access import DeskViewer, Drafting, DraftingFiles, Parts
from consumers.desk.composing import PLACE, ComposedDraft, compose_page, version_of, with_saved
from consumers.desk.pages import link
from consumers.desk.services import DeskServices
from consumers.desk.typed import TypedDraft, attachments_of, entry_of, heads_of
from consumers.desk.uploads import Uploads
from consumers.desk.words import ERRORS
from consumers.errors import (
    BookError,
    ClosedBookError,
    DocumentMovedError,
    DraftDroppedError,
    DraftSentError,
    NumberTakenError,
    SpoolUnavailableError,
    UnconfirmedBookError,
)
from consumers.reading import dispatching, drafting
from consumers.reading.dispatching import ReadyLetter
from consumers.reading.drafting import SeenDraft
from consumers.spool import book_entries, letter_forms
from consumers.spool.drafts import Draft, DraftFile
from consumers.spool.people import DeskRight
from consumers.spool.units import names_of
from router.pages.access import require_csrf, require_form
from router.pages.brought import MAX_FIELDS_BYTES, Fields, chunks_of, read_brought
from router.pages.errors import FormTooLargeError
from router.pages.language import N_
from router.pages.safety import require_own
from schemas.attachment import Attachment
from schemas.dispatch import MAX_ATTACHMENTS
from schemas.errors import FieldProblem, InvalidError

IDLE_SECONDS = 60.0
_SEE_OTHER, _CONFLICT, _UNPROCESSABLE, _UNAVAILABLE = 303, 409, 422, 503
_WITHOUT_FILES = "application/x-www-form-urlencoded"
_PART_BYTES = 8 * 1024
_NUMBER_GIVEN = N_("The number was given meanwhile; here is the next one. Look at the notation and send it again.")
_MOVED = N_("Somebody changed it meanwhile: here it is as it is now. Nothing of yours was done.")
_DROPPED = N_(
    "Somebody threw it away meanwhile, with its files. Nothing was sent; add the files again before you send it."
)
_SENT = N_("Somebody sent it meanwhile. What you wrote stands here and was not sent.")
_WHY_NOT = {ClosedBookError: "closed-book", UnconfirmedBookError: "unconfirmed-book"}
_TOLD = (InvalidError, DocumentMovedError, SpoolUnavailableError)
"""What is said in the form itself, with all that was typed."""
router = APIRouter(prefix=PLACE)


@router.post("/send")
async def send(
    request: Request, services: Parts, viewer: DraftingFiles, do: Annotated[Literal["save"] | None, Query()] = None
) -> Response:
    """Keep the document with its files, and send it when that was asked for; what is wrong is said beside fields."""
    if request.headers.get("content-type", "").startswith(_WITHOUT_FILES):
        return await _shown_again(request, services, viewer)
    require_own(request.method, request.headers, most=_most_bytes(services))
    coming = _Coming(request, services, viewer)
    try:
        saved = await coming.save()
    except _TOLD as error:
        await coming.drain()
        return await _again(request, services, viewer, ComposedDraft(coming.typed, version=coming.version), error)
    if saved is None:
        return RedirectResponse(link(f"{PLACE}/{coming.typed.once}"), _SEE_OTHER)
    draft, files = saved
    composed = ComposedDraft(coming.typed, draft, files, draft.version, is_kept=coming.refused is None)
    if coming.refused is not None:
        return await _again(request, services, viewer, composed, coming.refused)
    if do == "save":
        return RedirectResponse(link(f"{PLACE}/drafts/{draft.id}"), _SEE_OTHER)
    return await _send(request, services, viewer, composed)


@router.post("/drafts/{draft_id}/drop")
async def drop(
    services: Parts, viewer: Drafting, draft_id: str, version: Annotated[int, Form(ge=1, lt=2**31)]
) -> Response:
    """Throw a document away that was not sent, its files too, as its person has seen it."""
    by = viewer.by(DeskRight.DRAFT)
    await asyncio.to_thread(drafting.drop_draft, services.spool, SeenDraft(draft_id, version), by)
    return RedirectResponse(link(PLACE, stage="draft"), _SEE_OTHER)


class _Coming:
    """A form on its way in: its fields looked at before the first byte of a file is kept.

    ``refused`` says of a file why it was not taken, and so none behind it; what came before it is kept.
    """

    def __init__(self, request: Request, services: DeskServices, viewer: DeskViewer) -> None:
        self._request, self._services, self._viewer = request, services, viewer
        self._chunks = chunks_of(request.stream(), idle=IDLE_SECONDS)
        self._fields: Fields = {}
        self.typed = TypedDraft("")
        self.refused: InvalidError | None = None

    async def save(self) -> tuple[Draft, list[DraftFile]] | None:
        """Read it to its end and keep it as a draft; None: it was sent already.

        Raises:
            PageError: the form is none, or not of this session.
            DeskForbiddenError: the person does not write for the unit.
            InvalidError: there are too many files or drafts, or it is or answers what the person may not see.
            SpoolUnavailableError: the disk is full or the spool is locked.
            DocumentMovedError: somebody changed it since it was shown, threw it away or sent it.
        """
        uploads = Uploads(self._services.spool.path.parent, self._services.most_file_bytes)
        try:
            came = await self._take(uploads)
            return await asyncio.to_thread(
                drafting.save_draft,
                self._services.spool,
                SeenDraft(self.typed.once, self.version),
                self.typed.words(),
                self._viewer.by(DeskRight.DRAFT),
                uploads.files(came),
                keep=self._fields.get("keep", ()) if self.version else None,
            )
        finally:
            await asyncio.to_thread(uploads.discard)

    async def _take(self, uploads: Uploads) -> list[Attachment]:
        """Read it to its end; the files that came whole, up to one that is refused."""
        came: list[Attachment] = []
        content_type = self._request.headers.get("content-type", "")
        try:
            await read_brought(self._chunks, content_type, check=self._check, begin_sink=uploads.begin, came=came)
        except (InvalidError, FormTooLargeError, SpoolUnavailableError) as error:
            if not self._fields:  # nobody knows yet whose form it is
                raise
            await self.drain()
            self.refused = error if isinstance(error, InvalidError) else _not_taken(str(error))
        return came

    @property
    def version(self) -> int:
        """Of the draft, as its person has seen it."""
        return version_of(self._fields)

    async def _check(self, fields: Fields) -> None:
        require_csrf(self._viewer, (fields.get("csrf") or [""])[-1])
        self._fields = fields
        self.typed = TypedDraft.of(fields)
        self._viewer.require(DeskRight.DRAFT, self.typed.issuer)

    async def drain(self) -> None:
        """Read what still comes: a browser shows no answer before it has sent its form."""
        with suppress(Exception):
            async for _ in self._chunks:
                pass


def _not_taken(why: str) -> InvalidError:
    return InvalidError("letter", [FieldProblem("attachments", why)])


async def _again(
    request: Request,
    services: DeskServices,
    viewer: DeskViewer,
    composed: ComposedDraft,
    error: InvalidError | DocumentMovedError | SpoolUnavailableError,
) -> Response:
    """The page: with what is wrong, or with what happened meanwhile."""
    units = viewer.units(DeskRight.DRAFT)
    composed = await services.look(lambda conn: with_saved(conn, composed, units))
    if isinstance(error, InvalidError):
        if any(problem.field == "answers" for problem in error.problems):
            composed = replace(composed, typed=replace(composed.typed, answers="", completes=""))
        composed = replace(composed, problems=error.problems)
        return await compose_page(request, services, viewer, composed, status=_UNPROCESSABLE)
    if isinstance(error, SpoolUnavailableError):
        composed = replace(composed, problem=ERRORS["busy"])
        return await compose_page(request, services, viewer, composed, status=_UNAVAILABLE)
    return await compose_page(request, services, viewer, _moved(composed, error), status=_CONFLICT)


def _moved(composed: ComposedDraft, error: DocumentMovedError) -> ComposedDraft:
    """As somebody else has saved it; where it is no draft any more, with the words that came."""
    if isinstance(error, DraftSentError):
        return replace(composed, problem=_SENT, is_sent=True)
    if isinstance(error, DraftDroppedError) or composed.draft is None:
        return replace(composed, problem=_DROPPED, draft=None, files=(), version=0, is_kept=False)
    draft = composed.draft
    now = TypedDraft.of_draft(draft)
    return replace(composed, problem=_MOVED, yours=composed.typed, typed=now, version=draft.version, is_kept=False)


async def _send(request: Request, services: DeskServices, viewer: DeskViewer, composed: ComposedDraft) -> Response:
    """Send a draft that was just saved."""
    viewer.require(DeskRight.REGISTER, composed.typed.issuer)
    try:
        ready = await services.look(lambda conn: _ready(conn, services, composed))
        await asyncio.to_thread(dispatching.send, services.spool, ready, viewer.by(DeskRight.REGISTER))
    except _TOLD as error:
        return await _again(request, services, viewer, composed, error)
    except BookError as error:
        composed = await services.look(partial(_not_entered, services=services, composed=composed, error=error))
        return await compose_page(request, services, viewer, composed, status=_CONFLICT)
    return RedirectResponse(link(f"{PLACE}/{ready.draft.id}"), _SEE_OTHER)


def _ready(conn: Connection, services: DeskServices, composed: ComposedDraft) -> ReadyLetter:
    """What is sent.

    Raises:
        InvalidError: with each field that is wrong.
    """
    typed, draft = composed.typed, composed.draft
    if draft is None:
        raise InvalidError("letter", [FieldProblem("(whole)", "was not saved")])
    if not typed.number and not typed.notation:
        typed = _renumbered(conn, services, typed)
    letter = typed.submission(attachments_of(composed.files), services.zone)
    if letter.number is None and not draft.mends:
        raise InvalidError("letter", [FieldProblem("number", "is missing; give it")])
    names = names_of(conn, heads_of(letter.addressees) | {letter.issuer})
    entry = entry_of(letter, typed, names, services.today)
    if not services.may_be_of(entry.day):
        problem = FieldProblem("issued_on", "is neither today nor a day of the last year", typed.issued_on)
        raise InvalidError("letter", [problem])
    return ReadyLetter(draft, letter, entry, letter.number, typed.answers, completes=bool(typed.completes))


def _not_entered(conn: Connection, services: DeskServices, composed: ComposedDraft, error: BookError) -> ComposedDraft:
    """With what the register does not allow; where its number alone was in the way, with the next one."""
    told = replace(composed, problems=[FieldProblem("number", str(error))])
    if isinstance(error, NumberTakenError):
        return replace(told, typed=_renumbered(conn, services, composed.typed), problem=_NUMBER_GIVEN)
    return replace(told, problem=ERRORS[_WHY_NOT.get(type(error), "book")])


def _renumbered(conn: Connection, services: DeskServices, typed: TypedDraft) -> TypedDraft:
    number = book_entries.next_number(conn, typed.book(services.today))
    return typed.numbered(letter_forms.get(conn, typed.issuer), number)


async def _shown_again(request: Request, services: DeskServices, viewer: DeskViewer) -> Response:
    """A form that was filled when its session ended comes without its files: it stands there again, to be sent."""
    await require_form(request, viewer, most=MAX_FIELDS_BYTES)
    form = await request.form()
    fields: dict[str, Any] = {name: [one for one in form.getlist(name) if isinstance(one, str)] for name in form}
    units = viewer.units(DeskRight.DRAFT)
    came = ComposedDraft(TypedDraft.of(fields), version=version_of(fields))
    composed = await services.look(lambda conn: with_saved(conn, came, units))
    return await compose_page(request, services, viewer, composed)


def _most_bytes(services: DeskServices) -> int:
    return MAX_FIELDS_BYTES + MAX_ATTACHMENTS * (services.most_file_bytes + _PART_BYTES)
