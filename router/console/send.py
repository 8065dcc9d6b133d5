"""A letter is written and sent in the name of a unit: addressees from the tree, the plan beside it, files as they come.

The page is a face of the intake: what may be sent by whom to whom, and what a repetition is, is decided there alone.
"""

from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.requests import ClientDisconnect

from router.console.access import Parts, Sending, SendingFiles, Viewer, sender_before_form
from router.console.composing import PLACE, Composed, begun, composer, planned, problems_of, tree_of
from router.console.pages import environment_of, link, preferences_of, say_to
from router.content.keeping import open_sink
from router.errors import ConflictError, RouterError
from router.faces import Services
from router.ledger.people.senders import sender_of
from router.pages.access import require_csrf, require_form
from router.pages.brought import MAX_FIELDS_BYTES, Fields, chunks_of, read_brought
from router.pages.door import way_to_login
from router.pages.errors import LoginNeededError, PageError
from router.pages.letters import TypedLetter, faults_by_field
from router.pages.rendering import part
from router.pages.safety import require_own
from schemas.codes import MAX_CODE_LENGTH
from schemas.dispatch import MAX_ATTACHMENTS, Kind, Submission
from schemas.errors import InvalidError
from schemas.ids import Id, new_id

DOOR = "console"
_SEE_OTHER, _UNPROCESSABLE = 303, 422
_WITHOUT_FILES = "application/x-www-form-urlencoded"
_PART_BYTES = 8 * 1024
"""At most, around a file in a form."""
router = APIRouter()
Find = Annotated[str, Query(max_length=200)]
Below = Annotated[str, Query(alias="of", max_length=MAX_CODE_LENGTH)]


@router.get("/send")
async def show_form(
    *,
    request: Request,
    services: Parts,
    viewer: Sending,
    answers: Annotated[Id | None, Query()] = None,
    changes: Annotated[Id | None, Query()] = None,
    kind: Annotated[Kind, Query()] = Kind.UPDATE,
    below: Below = "",
    find: Find = "",
) -> Response:
    """The form: empty, or begun as an answer to a document, or as one that updates or replaces one of one's own."""
    tree = await tree_of(services, say_to(request), below, find)
    return await composer(request, services, viewer, await begun(services, viewer, answers, changes, kind), tree=tree)


@router.get("/send/units")
async def show_units(
    *,
    request: Request,
    services: Parts,
    viewer: Sending,
    below: Below = "",
    after: Annotated[str, Query(max_length=MAX_CODE_LENGTH)] = "",
    find: Find = "",
) -> Response:
    """A branch of the tree that addressees are picked from; whoever may send knows what units are called."""
    del viewer  # that they may send is all that matters
    nodes = await tree_of(services, say_to(request), below, find, after)
    if below or after:
        nodes = replace(nodes, is_top=False)
    return _part(request, services, "rows" if after else "branch", f"{PLACE}/units", PLACE, nodes)


@router.post("/send/plan")
async def show_plan(request: Request, services: Parts, viewer: Sending) -> Response:
    """Whom the letter would reach and when, as it stands; nothing is sent or kept."""
    composed = await planned(services, viewer, await _fields_of(request))
    if "hx-request" not in request.headers:
        return await composer(request, services, viewer, composed)
    faults = faults_by_field(composed.problems, say_to(request))
    return _part(request, services, "plan", composed.plan, faults, f"{PLACE}/plan")


@router.post("/send")
async def send(request: Request, services: Parts, viewer: SendingFiles) -> Response:
    """Take the letter in with its files, once; what is wrong is said beside the fields.

    A form whose key another letter has spent is shown with a new one, so that it can be sent as a letter of its own.
    """
    if request.headers.get("content-type", "").startswith(_WITHOUT_FILES):
        return await _shown_again(request, services, viewer)
    require_own(request.method, request.headers, most=_most_bytes(services))
    sending = _Sending(request, services, viewer)
    try:
        submission = await sending.read()
        sending.is_of(await sender_before_form(request))
        accepted = await services.intake.accept(
            submission, sender=sending.sender, idempotency_key=sending.typed.once, by=viewer.by("")
        )
    except LoginNeededError:
        return RedirectResponse(way_to_login(request), _SEE_OTHER)
    except (RouterError, InvalidError) as error:
        services.metrics.taken_in(DOOR, error.slug if isinstance(error, RouterError) else "invalid")
        await sending.drain()
        problems = problems_of(error)
        if not problems or not sending.is_read:
            raise
        typed = replace(sending.typed, once=new_id()) if isinstance(error, ConflictError) else sending.typed
        return await composer(request, services, viewer, Composed(typed, problems), status=_UNPROCESSABLE)
    services.metrics.taken_in(DOOR, "duplicate" if accepted.duplicate else "accepted")
    return RedirectResponse(link(f"/documents/{accepted.id}"), _SEE_OTHER)


class _Sending:
    """A letter on its way in: its fields looked at before the first byte of a file is kept."""

    def __init__(self, request: Request, services: Services, viewer: Viewer) -> None:
        self._request, self._services, self._viewer = request, services, viewer
        self._chunks = chunks_of(request.stream(), idle=services.idle_timeout)
        self.typed = TypedLetter("")
        self.sender = sender_of(viewer.person, "")
        self.is_read = False

    async def read(self) -> Submission:
        """The whole letter; its files are in the store then, and the sender's.

        Raises:
            PageError: the form is none, or not of this session.
            InvalidError: a field is wrong.
            RouterError: a file cannot be kept.
        """
        take_in = self._services.possession.take_in
        brought = await read_brought(
            self._chunks,
            self._request.headers.get("content-type", ""),
            check=self._check,
            begin_sink=lambda: open_sink(
                self._services.content,
                max_bytes=self._services.max_attachment_bytes,
                keep=lambda writer: take_in(writer, self.sender),
            ),
        )
        return self.typed.submission(brought.files, self._services.zone)

    async def _check(self, fields: Fields) -> None:
        require_csrf(self._viewer, (fields.get("csrf") or [""])[-1])
        self.typed = TypedLetter.of(fields)
        self.is_of(self._viewer)
        self.is_read = True
        self.typed.submission((), self._services.zone)

    def is_of(self, viewer: Viewer) -> None:
        """Who sends it, with what they may now: files take hours on some lines, and rights are withdrawn meanwhile."""
        self.sender = sender_of(viewer.person, self.typed.issuer)

    async def drain(self) -> None:
        """Read what still comes: a browser shows no answer before it has sent its form."""
        with suppress(PageError, ClientDisconnect):
            async for _ in self._chunks:
                pass


def _most_bytes(services: Services) -> int:
    return MAX_FIELDS_BYTES + MAX_ATTACHMENTS * (services.max_attachment_bytes + _PART_BYTES)


async def _shown_again(request: Request, services: Services, viewer: Viewer) -> Response:
    """A form that was filled when its session ended comes without its files: it stands there again, to be sent."""
    await require_form(request, viewer, most=MAX_FIELDS_BYTES)
    return await composer(request, services, viewer, Composed(TypedLetter.of(await _fields_of(request))))


async def _fields_of(request: Request) -> Fields:
    form = await request.form()
    return {name: [value for value in form.getlist(name) if isinstance(value, str)] for name in form}


def _part(request: Request, services: Services, macro: str, *values: Any) -> Response:
    environment = environment_of(preferences_of(request).language, services.timezone)
    return part(request, environment, "sending.html", macro, *values)
