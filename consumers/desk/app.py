"""Puts the desk together: its door, its pages, its static files."""

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from consumers.desk import (
    acting,
    bulk,
    completeness,
    composing,
    document,
    entering,
    files,
    help,  # noqa: A004 - a page
    incoming,
    journal,
    line,
    outgoing,
    papers,
    people,
    registers,
    reports,
    sending,
    today,
)
from consumers.desk.access import note_at_door
from consumers.desk.mailing import MAILING
from consumers.desk.pages import ROOT, page
from consumers.desk.services import DeskServices
from consumers.desk.words import ERRORS
from consumers.errors import (
    BookError,
    ClosedBookError,
    ContentNotKeptError,
    DeskForbiddenError,
    DocumentMovedError,
    GatewayError,
    SpoolUnavailableError,
    UnconfirmedBookError,
    UnknownDeliveryError,
    UnknownDraftError,
    UnknownEntryError,
)
from consumers.spool.people import PEOPLE, SESSIONS, THROTTLE
from router.mail import choosing
from router.mail.choosing import NoticePages
from router.pages import door
from router.pages.access import Door
from router.pages.compression import Compression
from router.pages.language import N_
from router.pages.rendering import Static
from router.pages.safety import Safety
from router.pages.telling import Told, tell_errors
from schemas.errors import InvalidError, TransitionError

_SEE_OTHER = 303
PARTS = (
    *(door, choosing, today, incoming, bulk, document, papers, acting, files, composing, sending, outgoing),
    *(registers, entering, completeness, reports, line, journal, people, help),
)
LABELS = {
    "reason": N_("Why?"),
    "words": N_("Note"),
    "instruction": N_("Instruction"),
    "subject": N_("Subject"),
    "note": N_("Note"),
    "email": N_("Your e-mail address (empty: no e-mail)"),
}
"""Fields of forms that a person fills, with what they are called."""
_STATUSES: dict[type[Exception], tuple[int, str]] = {
    UnknownDeliveryError: (404, "not-found"),
    ContentNotKeptError: (404, "not-found"),
    UnknownEntryError: (404, "not-found"),
    UnknownDraftError: (404, "not-found"),
    DeskForbiddenError: (403, "forbidden"),
    DocumentMovedError: (409, "moved"),
    ClosedBookError: (409, "closed-book"),
    UnconfirmedBookError: (409, "unconfirmed-book"),
    BookError: (409, "book"),
    TransitionError: (409, "state"),
    InvalidError: (422, "malformed"),
    SpoolUnavailableError: (503, "busy"),
}


def create_desk(services: DeskServices) -> FastAPI:
    """The desk over a gateway's spool."""
    app = FastAPI(title="congvan desk", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.services = services
    app.state.door = Door(
        root=ROOT,
        people=PEOPLE,
        sessions=SESSIONS,
        throttle=THROTTLE,
        reading=services.spool.reading,
        writing=services.spool.writing,
        note=note_at_door,
        page=page,
        labels=LABELS,
        cookies="congvan-desk",
    )
    app.state.notices = NoticePages(MAILING, is_on=services.sends_mail)
    for part in PARTS:
        app.include_router(part.router, prefix=ROOT)
    app.mount(f"{ROOT}/static", Static(), name="static")
    for path in ("/", ROOT):
        app.add_route(path, _to_desk)
    tell_errors(app, dict.fromkeys((GatewayError, TransitionError, InvalidError), _told_of), ERRORS)
    app.add_middleware(Safety)
    app.add_middleware(Compression)
    return app


def _told_of(error: Exception) -> Told:
    status, slug = next((said for kind, said in _STATUSES.items() if isinstance(error, kind)), (500, ""))
    fields = tuple(item.field for item in error.problems) if isinstance(error, InvalidError) else ()
    passes = 5 if isinstance(error, SpoolUnavailableError) else None
    return Told(status, slug, str(error), retry_after=passes, fields=fields)


async def _to_desk(_request: Request) -> Response:
    return RedirectResponse(f"{ROOT}/", _SEE_OTHER)
