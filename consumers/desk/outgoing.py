"""Văn bản đi: what goes out of the units: each document with its way up, its track at each addressee, its recall."""

import asyncio
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from consumers.asking.told import told
from consumers.desk.access import DeskViewer, Drafting, Looking, Parts
from consumers.desk.asked import AskedPlace
from consumers.desk.asking import ask, track_of
from consumers.desk.composing import PLACE
from consumers.desk.files import file_answer
from consumers.desk.pages import environment_of, link, page
from consumers.desk.services import DeskServices
from consumers.desk.typed import TypedDraft, heads_of
from consumers.errors import ContentNotKeptError
from consumers.reading import dispatching, drafting
from consumers.reading.coming import line_up_now
from consumers.reading.desk_lists import of_ids
from consumers.spool import book_entries, desk_letters, drafts, letter_forms
from consumers.spool.book_entries import BookKey
from consumers.spool.desk_letters import OutgoingLetter
from consumers.spool.people import DeskRight
from consumers.spool.questions import QuestionKind
from consumers.spool.units import names_of
from router.pages.language import N_
from router.pages.preferences import Preferences
from router.pages.rendering import part
from schemas.attachment import Attachment, TravellingAttachment
from schemas.clock import now_ms
from schemas.codes import MAX_CODE_LENGTH
from schemas.dispatch import Submission
from schemas.errors import InvalidError, TransitionError
from schemas.ids import Id, new_id
from schemas.model import parse
from schemas.register import BookKind
from schemas.stages import Stage
from schemas.text import OneLine

_SEE_OTHER, _UNPROCESSABLE = 303, 422
_AT_ONCE = 50
_NO_REASON = N_("Say why; everybody who got it reads it.")
_NO_PATTERN = N_("Write the pattern with {number} once, where the number stands.")
router = APIRouter(prefix=PLACE)
FileNumber = Annotated[int, Path(ge=1, le=10_000)]


class OutgoingShelf(StrEnum):
    """What is listed."""

    DRAFT = "draft"
    WAITING = Stage.WAITING.value
    ACCEPTED = Stage.ACCEPTED.value
    REJECTED = Stage.REJECTED.value


@dataclass(frozen=True, slots=True)
class LetterNow:
    """A document that goes out, whole: as it stands in the spool, its letter, the recalls of it.

    ``answers`` is the delivery that it answers, where the person sees it; empty: none.
    """

    letter: OutgoingLetter
    submission: Submission | None
    recalls: tuple[OutgoingLetter, ...]
    names: dict[str, str]
    answers: str = ""


@router.get("")
async def show_outgoing(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    stage: OutgoingShelf | None = None,
    q: Annotated[str, Query(max_length=200)] = "",
    unit: Annotated[str, Query(max_length=100)] = "",
    before: AskedPlace = 0,
) -> Response:
    """A page of them, newest first: drafts, or what was sent."""
    units = viewer.units()
    chosen = units.only(unit) if unit in units else units

    def read(conn: Connection) -> dict[str, Any]:
        counts = {OutgoingShelf(key.value): number for key, number in desk_letters.count(conn, chosen).items()}
        counts[OutgoingShelf.DRAFT] = drafts.count(conn, chosen)
        written, letters = [], []
        if stage is OutgoingShelf.DRAFT:
            written = drafts.listed(conn, chosen, words=q, before=before, limit=_AT_ONCE + 1)
        else:
            wanted = None if stage is None else Stage(stage.value)
            letters = desk_letters.listed(conn, chosen, stage=wanted, words=q, before=before, limit=_AT_ONCE + 1)
        rows = written or letters
        older = rows[_AT_ONCE - 1].pos if len(rows) > _AT_ONCE else 0
        return {
            "counts": counts,
            "drafts": written[:_AT_ONCE],
            "letters": letters[:_AT_ONCE],
            "older": older,
            "named": names_of(conn, chosen),
        }

    found = await services.look(read)
    asked = {"stage": stage.value if stage else "", "q": q, "unit": unit if unit in units else ""}
    line = line_up_now(services.spool.path.parent)
    return page(
        request,
        viewer,
        "outgoing.html",
        asked=asked,
        shelves=OutgoingShelf,
        units=units,
        line=line,
        now=now_ms(),
        **found,
    )


@router.get("/form")
async def show_form(request: Request, services: Parts, viewer: Looking) -> Response:
    """How the person's units write their letters."""
    return await _form_page(request, services, viewer)


@router.post("/form")
async def write_form(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    unit: Annotated[str, Form(max_length=MAX_CODE_LENGTH)],
    notation: Annotated[OneLine, Form(max_length=100)] = "",
    place: Annotated[OneLine, Form(max_length=200)] = "",
    keeper: Annotated[OneLine, Form(max_length=200)] = "",
) -> Response:
    """Keep it."""
    viewer.require(DeskRight.REGISTER, unit)
    form = letter_forms.LetterForm(unit, notation, place, keeper)
    by = viewer.by(DeskRight.REGISTER)
    try:
        await services.change(lambda conn: dispatching.write_form(conn, form, by))
    except InvalidError:
        return await _form_page(request, services, viewer, problem=_NO_PATTERN, status=_UNPROCESSABLE)
    return RedirectResponse(link(f"{PLACE}/form"), _SEE_OTHER)


@router.get("/drafts/{draft_id}/files/{number}")
async def show_draft_file(
    request: Request, services: Parts, viewer: Drafting, draft_id: str, number: FileNumber
) -> Response:
    """One file of a draft, by its place among them."""
    units = viewer.units(DeskRight.DRAFT)

    def read(conn: Connection) -> list[drafts.DraftFile]:
        return drafts.files(conn, drafts.get(conn, draft_id, units).pos)

    files = await services.look(read)
    found = [Attachment(name=it.name, media_type=it.media_type, size=it.size, sha256=it.sha256) for it in files]
    return _file(request, services, found, number)


@router.get("/{outgoing_id}")
async def show_letter(request: Request, services: Parts, viewer: Looking, outgoing_id: str) -> Response:
    """The document: its letter and files, its entry, how far it is, what each addressee did."""
    return await _letter_page(request, services, viewer, outgoing_id, "sent.html")


@router.get("/{outgoing_id}/track")
async def show_track(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    outgoing_id: str,
    after: Annotated[str, Query(max_length=MAX_CODE_LENGTH)] = "",
) -> Response:
    """What became of it at each addressee, as the router said it last; asked again while somebody looks."""
    now = await services.look(lambda conn: _read(conn, viewer, outgoing_id))
    track = await _track(services, now, after)
    if track is None:
        raise TransitionError(f"{now.letter.document.notation} is {now.letter.stage.value}; nobody has it yet")
    environment = environment_of(Preferences.of(request.cookies).language, services.calendar.zone)
    return part(request, environment, "outgoing_parts.html", "track", link(f"{PLACE}/{outgoing_id}/track"), track)


@router.get("/{outgoing_id}/files/{number}")
async def show_file(
    request: Request, services: Parts, viewer: Looking, outgoing_id: str, number: FileNumber
) -> Response:
    """One file of a document that was sent, by its place among them."""
    now = await services.look(lambda conn: _read(conn, viewer, outgoing_id))
    sent = now.submission
    secret = sent is not None and sent.secrecy.is_secret
    return _file(request, services, sent.attachments if sent else (), number, secret=secret)


@router.get("/{outgoing_id}/recall")
async def show_recall(request: Request, services: Parts, viewer: Looking, outgoing_id: str) -> Response:
    """What each addressee has done with it so far, and the form that calls it back."""
    now = await services.look(lambda conn: _read(conn, viewer, outgoing_id))
    viewer.require(DeskRight.REGISTER, now.letter.document.issuer)
    return await _letter_page(request, services, viewer, outgoing_id, "recall.html")


@router.post("/{outgoing_id}/recall")
async def recall(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    outgoing_id: str,
    once: Annotated[Id, Form()],
    reason: Annotated[OneLine, Form(max_length=300)] = "",
) -> Response:
    """Call it back from everybody who got it."""
    if not reason:
        return await _letter_page(
            request, services, viewer, outgoing_id, "recall.html", problem=_NO_REASON, status=_UNPROCESSABLE
        )
    by = viewer.by(DeskRight.REGISTER)
    await asyncio.to_thread(dispatching.recall, services.spool, outgoing_id, once, reason, by)
    return RedirectResponse(link(f"{PLACE}/{outgoing_id}"), _SEE_OTHER)


@router.post("/{outgoing_id}/mend")
async def mend(services: Parts, viewer: Drafting, outgoing_id: str) -> Response:
    """Make a draft of a document that was rejected, under its number."""
    typed = await services.look(lambda conn: _typed_again(conn, services, viewer, outgoing_id))
    by = viewer.by(DeskRight.DRAFT)
    made = await asyncio.to_thread(drafting.mend, services.spool, outgoing_id, typed.once, typed.words(), by)
    return RedirectResponse(link(f"{PLACE}/drafts/{made}"), _SEE_OTHER)


def _read(conn: Connection, viewer: DeskViewer, outgoing_id: str) -> LetterNow:
    """A document of one of the person's units.

    Raises:
        UnknownDraftError: there is none.
    """
    letter = desk_letters.get(conn, outgoing_id, viewer.units())
    body = desk_letters.body_of(conn, outgoing_id)
    submission = parse(Submission, body, what="submission") if body else None
    heads = heads_of(submission.addressees) if submission else set()
    names = names_of(conn, heads | {letter.document.issuer})
    answers = letter.saying.answers if letter.saying else None
    seen = of_ids(conn, viewer.units(), [answers]) if answers else {}
    return LetterNow(letter, submission, tuple(dispatching.recall_chain(conn, letter)), names, "".join(seen))


def _typed_again(conn: Connection, services: DeskServices, viewer: DeskViewer, outgoing_id: str) -> TypedDraft:
    """A document that was sent, as it stood in the form.

    Raises:
        UnknownDraftError: there is none.
        ContentNotKeptError: its letter could not be read.
    """
    now = _read(conn, viewer, outgoing_id)
    if now.submission is None:
        raise ContentNotKeptError("its letter could not be read when it was taken; mend it in the outbox folder")
    letter, fields = now.letter, None
    if letter.number is not None and letter.year is not None:
        key = BookKey(letter.document.issuer, BookKind.OUTGOING, letter.year, letter.book)
        fields = book_entries.get_entry(conn, key, letter.number).fields
    saying = letter.saying and replace(letter.saying, answers=now.answers)
    return TypedDraft.of_sent(now.submission, saying, fields, letter.number, services.zone)


async def _letter_page(
    request: Request,
    services: DeskServices,
    viewer: DeskViewer,
    outgoing_id: str,
    template: str,
    *,
    problem: str = "",
    status: int = 200,
) -> Response:
    now = await services.look(lambda conn: _read(conn, viewer, outgoing_id))
    track = await _track(services, now)
    line = line_up_now(services.spool.path.parent)
    may_send = viewer.may(DeskRight.REGISTER, now.letter.document.issuer)
    context = {"now": now, "track": track, "line": line, "may_send": may_send, "once": new_id(), "problem": problem}
    return page(request, viewer, template, status=status, stages=Stage, **context)


async def _track(services: DeskServices, now: LetterNow, after: str = "") -> dict[str, Any] | None:
    """What the router said of each addressee, as of when, and whether it was asked again; None: nobody has it yet."""
    dispatch_id = now.letter.document.dispatch_id
    if dispatch_id is None:
        return None
    answer = await ask(services, track_of(dispatch_id, after))
    view = told(QuestionKind.TRACK, answer) or {}
    rows = view.get("deliveries", [])
    following = rows[-1]["unit"] if view.get("next") and rows else ""
    return {
        "rows": rows,
        "states": view.get("states", {}),
        "addressees": view.get("addressees"),
        "at": answer.at,
        "waits": answer.waits,
        "problem": answer.problem,
        "after": after,
        "next": following,
    }


async def _form_page(
    request: Request, services: DeskServices, viewer: DeskViewer, *, problem: str = "", status: int = 200
) -> Response:
    units = viewer.units(DeskRight.REGISTER)
    forms = await services.look(lambda conn: [letter_forms.get(conn, unit) for unit in units])
    return page(request, viewer, "letter_form.html", status=status, forms=forms, problem=problem)


def _file(request: Request, services: DeskServices, files: Any, number: int, *, secret: bool = False) -> Response:
    if number > len(files):
        raise ContentNotKeptError(f"the document has {len(files)} files")
    file = TravellingAttachment.model_validate(files[number - 1].model_dump())
    return file_answer(request, services.spool.path.parent, file, secret=secret)
