"""A letter is written and sent in the name of a unit: addressees from the tree, the plan beside it, files as they come.

The page is a face of the intake: what may be sent by whom to whom, and what a repetition is, is decided there alone.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from router.console.access import Parts, Sending, SendingFiles, Viewer
from router.console.pages import environment_of, link, page, preferences_of
from router.console.reads import look
from router.console.unit_tree import Say, found, units_below
from router.content.keeping import open_sink
from router.errors import NotFoundError, RouterError
from router.faces import Services
from router.ledger import queries
from router.ledger.people.persons import Right
from router.ledger.people.senders import sender_of
from router.ledger.queries import DispatchDetail
from router.pages.access import require_csrf, require_form
from router.pages.brought import MAX_FIELDS_BYTES, Fields, chunks_of, read_brought
from router.pages.language import translations
from router.pages.letters import TypedLetter, faults_by_field
from router.pages.rendering import part
from router.pages.safety import require_own
from router.pages.sending import TYPES, URGENCIES, NodePage, SendingForm
from router.planning import draft_in, plan_now
from router.words.plan_views import PlanView
from schemas.codes import MAX_CODE_LENGTH
from schemas.dispatch import MAX_ATTACHMENTS, UNNUMBERED, Kind, Submission
from schemas.errors import FieldProblem, InvalidError
from schemas.ids import Id
from schemas.states import Status

DOOR = "console"
PLACE = link("/send")
MOST_ISSUERS = 200
"""Units that the choice of issuers offers; any other that the person may send for is typed."""
_SEE_OTHER, _UNPROCESSABLE = 303, 422
_WITHOUT_FILES = "application/x-www-form-urlencoded"
_PART_BYTES = 8 * 1024
"""At most, around a file in a form."""
_NOT_THEIR_DOING = 500
_DIGITS = 15
_OF_THE_FILES = frozenset({"too-large", "content-full", "content-quota"})
router = APIRouter()
Find = Annotated[str, Query(max_length=200)]
Below = Annotated[str, Query(alias="of", max_length=MAX_CODE_LENGTH)]


@dataclass(frozen=True, slots=True)
class _Composed:
    """A letter as it stands in the form, with what is wrong and what would become of it."""

    typed: TypedLetter
    problems: Sequence[FieldProblem] = ()
    plan: PlanView | None = None
    is_new: bool = False


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
    tree = await _tree(services, _say(request), below, find)
    return await _page(request, services, viewer, await _begun(services, viewer, answers, changes, kind), tree=tree)


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
    nodes = await _tree(services, _say(request), below, find, after)
    if below or after:
        nodes = replace(nodes, is_top=False)
    return _part(request, services, "rows" if after else "branch", f"{PLACE}/units", PLACE, nodes)


@router.post("/send/plan")
async def show_plan(request: Request, services: Parts, viewer: Sending) -> Response:
    """Whom the letter would reach and when, as it stands; nothing is sent or kept."""
    composed = await _planned(services, viewer, await _fields_of(request))
    if "hx-request" not in request.headers:
        return await _page(request, services, viewer, composed)
    faults = faults_by_field(composed.problems, _say(request))
    return _part(request, services, "plan", composed.plan, faults)


@router.post("/send")
async def send(request: Request, services: Parts, viewer: SendingFiles) -> Response:
    """Take the letter in with its files, once; what is wrong is said beside the fields."""
    if request.headers.get("content-type", "").startswith(_WITHOUT_FILES):
        return await _shown_again(request, services, viewer)
    require_own(request.method, request.headers, most=_most_bytes(services))
    sending = _Sending(request, services, viewer)
    try:
        submission = await sending.read()
        accepted = await services.intake.accept(
            submission, sender=sending.sender, idempotency_key=sending.typed.once, by=viewer.by("")
        )
    except (RouterError, InvalidError) as error:
        services.metrics.taken_in(DOOR, error.slug if isinstance(error, RouterError) else "invalid")
        await sending.drain()
        problems = problems_of(error)
        if not problems or not sending.is_read:
            raise
        return await _page(request, services, viewer, _Composed(sending.typed, problems), status=_UNPROCESSABLE)
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
        self.sender = sender_of(self._viewer.person, self.typed.issuer)
        self.is_read = True
        self.typed.submission((), self._services.zone)

    async def drain(self) -> None:
        """Read what still comes: a browser shows no answer before it has sent its form."""
        with suppress(Exception):
            async for _ in self._chunks:
                pass


def _most_bytes(services: Services) -> int:
    return MAX_FIELDS_BYTES + MAX_ATTACHMENTS * (services.max_attachment_bytes + _PART_BYTES)


async def _shown_again(request: Request, services: Services, viewer: Viewer) -> Response:
    """A form that was filled when its session ended comes without its files: it stands there again, to be sent."""
    await require_form(request, viewer, most=MAX_FIELDS_BYTES)
    return await _page(request, services, viewer, _Composed(TypedLetter.of(await _fields_of(request))))


async def _fields_of(request: Request) -> Fields:
    form = await request.form()
    return {name: [value for value in form.getlist(name) if isinstance(value, str)] for name in form}


async def _planned(services: Services, viewer: Viewer, fields: Fields) -> _Composed:
    """A letter and what would become of it; what it still lacks of its own fields is no matter."""
    typed = TypedLetter.of(fields)
    if not typed.addressees:
        return _Composed(typed)
    written = replace(typed, notation=typed.notation or UNNUMBERED, subject=typed.subject or UNNUMBERED)
    size = (fields.get("bytes") or ["0"])[-1]
    try:
        submission = written.submission((), services.zone)
        async with draft_in(services.content) as draft:
            sender = sender_of(viewer.person, submission.issuer)
            new = await services.intake.rehearse(submission, sender=sender, content=draft)
        resolution = await asyncio.to_thread(services.intake.resolve, submission.addressees)
        more = int(size[:_DIGITS]) if size.isascii() and size.isdecimal() else 0
        plan = await plan_now(services.engine, new, timezone=services.timezone, more_bytes=more)
    except (RouterError, InvalidError) as error:
        problems = problems_of(error)
        if not problems:
            raise
        return _Composed(typed, problems)
    return _Composed(typed, plan=PlanView.of(plan, resolution, viewer.scope))


def problems_of(error: RouterError | InvalidError) -> Sequence[FieldProblem]:
    """What a person can mend of what the intake refuses; nothing: it is none of their doing."""
    if isinstance(error, InvalidError) or error.problems:
        return error.problems
    if error.slug in _OF_THE_FILES:
        return [FieldProblem("attachments", error.detail)]
    if error.status >= _NOT_THEIR_DOING:
        return []
    return [FieldProblem("issuer" if error.slug == "forbidden-issuer" else "(whole)", error.detail)]


async def _begun(services: Services, viewer: Viewer, answers: str | None, changes: str | None, kind: Kind) -> _Composed:
    """The form as it opens."""
    issuers = [code for code, _ in _issuers(services, viewer)]
    known: dict[str, Any] = {"issued_on": services.organisation.today.isoformat(), "type": TYPES[0]}
    if key := answers or changes:
        detail, states = await look(services, lambda conn: _referred(conn, viewer, key))
        letter = Submission.model_validate_json(detail.submission)
        known |= {"refers_to": (key,), "subject": letter.subject}
        if answers:
            issuers = [code for code in issuers if code in states] + issuers
            known |= {"addressees": (letter.issuer,)}
        else:
            issuers = [letter.issuer, *issuers]
            known |= {"addressees": letter.addressees, "kind": kind.value, "type": letter.type}
    typed = TypedLetter.begun(issuer=issuers[0] if issuers else "", **known)
    return _Composed(typed, is_new=True)


def _referred(conn: Connection, viewer: Viewer, key: str) -> tuple[DispatchDetail, Mapping[str, Status]]:
    detail = queries.find_dispatch(conn, viewer.scope, key)
    if detail is None:
        raise NotFoundError(f"there is no document {key} that you may see")
    return detail, queries.states_of_units(conn, viewer.scope, key)


def _issuers(services: Services, viewer: Viewer) -> list[tuple[str, str]]:
    """The units that a person may send for, the first of them where there are many."""
    directory, today = services.organisation.directory, services.organisation.today
    patterns = viewer.person.patterns(Right.SEND)
    units = (unit for pattern in patterns for unit in directory.within(pattern.removesuffix(".#")))
    ours = (
        (unit.code, unit.name) for unit in units if viewer.person.may(Right.SEND, unit.code) and unit.exists_on(today)
    )
    return list(islice(dict.fromkeys(ours), MOST_ISSUERS))


async def _tree(services: Services, say: Say, below: str = "", find: str = "", after: str = "") -> NodePage:
    directory, today = services.organisation.directory, services.organisation.today
    if find.strip():
        return await look(services, lambda conn: found(conn, directory, today, say, find))
    return units_below(directory, today, say, below, after)


async def _page(
    request: Request,
    services: Services,
    viewer: Viewer,
    composed: _Composed,
    *,
    tree: NodePage | None = None,
    status: int = 200,
) -> Response:
    say = _say(request)
    rights = await services.intake.rights_of(sender_of(viewer.person, composed.typed.issuer))
    form = SendingForm(
        page=PLACE,
        action=PLACE,
        plan_at=f"{PLACE}/plan",
        units_at=f"{PLACE}/units",
        csrf=viewer.csrf,
        typed=composed.typed,
        issuers=_issuers(services, viewer),
        tree=tree or await _tree(services, say),
        faults=faults_by_field(composed.problems, say),
        plan=composed.plan,
        urgencies=[degree for degree in URGENCIES if degree <= rights.max_urgency],
        secrecies=[degree.value for degree in services.secrecies],
        most_bytes=services.max_attachment_bytes,
        is_new=composed.is_new,
    )
    return page(request, viewer, "send.html", status=status, form=form)


def _part(request: Request, services: Services, macro: str, *values: Any) -> Response:
    environment = environment_of(preferences_of(request).language, services.timezone)
    return part(request, environment, "sending.html", macro, *values)


def _say(request: Request) -> Say:
    return translations(preferences_of(request).language).gettext
