"""Redrives: the wizard from a filter over a dry run with a fixed cut-off to a job, all jobs, and each with its acts."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from router.console.access import FilterText, Looking, Parts, Viewer
from router.console.pages import MOST_CHOSEN, link, page
from router.console.reads import change, look
from router.errors import ForbiddenError, MalformedError
from router.faces import Services
from router.ledger.people.persons import Right, scope_of
from router.ledger.queries import Filter
from router.ledger.redrives.acting import ActRequest, act_on, may_act_on
from router.ledger.redrives.authority import Authority, AuthorityKind
from router.ledger.redrives.decisions import JobAct, Outcome, Pace
from router.ledger.redrives.making import DryRun, NewRedrive, dry_run, make
from router.ledger.redrives.reading import RedriveItem, RedriveJob, find_job, list_items, list_jobs
from router.words.filters import MAX_LENGTH, FilterError, Parsed, parse, token
from schemas.clock import now_ms
from schemas.ids import Id, new_id
from schemas.retry import WATCH_SECONDS, longest_until_parked
from schemas.text import OneLine

PAGE = 50
ITEMS = 100
LONGEST_WATCH = 24 * 60
"""Minutes."""
MOST_PER_MINUTE = 6000
_MINUTE_MS = 60_000
_SEE_OTHER = 303
_UNPROCESSABLE = 422
router = APIRouter()
Cut = Annotated[int, Form(ge=0, lt=2**53)]
Minutes = Annotated[int, Form(ge=1, le=LONGEST_WATCH)]
PerMinute = Annotated[int, Form(ge=1, le=MOST_PER_MINUTE)]


@router.get("/redrives")
async def show_redrives(request: Request, services: Parts, viewer: Looking, before: Id | None = None) -> Response:
    """Redrives, the latest first."""
    found = await look(services, lambda conn: list_jobs(conn, viewer.scope, before=before, limit=PAGE + 1))
    jobs = found[:PAGE]
    older = jobs[-1].id if len(found) > PAGE else None
    return page(request, viewer, "redrives.html", jobs=jobs, older=older)


@router.get("/redrives/new")
async def show_wizard(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    q: FilterText = "",
    cut: Annotated[int | None, Query(ge=0, lt=2**53)] = None,
    delivery: Annotated[list[Id] | None, Query(max_length=MOST_CHOSEN)] = None,
) -> Response:
    """The dry run. ``cut`` is its cut-off: what got stuck later, or again, is not part of it.

    Deliveries that were chosen one by one become a filter like any other.
    """
    _require_operator(viewer)
    if delivery:
        q = token("delivery", ",".join(delivery))
    if cut is None:
        return RedirectResponse(link("/redrives/new", q=q, cut=now_ms()), _SEE_OTHER)
    return await _wizard(request, services, viewer, q, cut)


@router.post("/redrives")
async def make_redrive(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    q: Annotated[str, Form(max_length=MAX_LENGTH)],
    cut: Cut,
    once: Annotated[Id, Form()],
    pace: Annotated[Pace, Form()],
    per_minute: PerMinute = 60,
    watch: Minutes = WATCH_SECONDS // 60,
    reason: Annotated[OneLine, Form(max_length=500)] = "",
) -> Response:
    """Make the redrive, once: the form's ``once`` tells a second click from a second redrive."""
    _require_operator(viewer)
    if not reason:
        return await _wizard(request, services, viewer, q, cut, lacks_reason=True)
    try:
        parsed = parse(q, now_ms=cut, zone=services.zone)
    except FilterError as error:
        raise MalformedError(str(error)) from error
    new = NewRedrive(
        who=authority_of(viewer),
        token=once,
        text=q.strip(),
        wanted=parsed.wanted,
        cut_at=cut,
        reason=reason,
        pace=pace,
        watch_ms=watch * _MINUTE_MS,
        per_minute=per_minute if pace is Pace.RATE else None,
        address=viewer.address,
        home=viewer.person.home,
    )
    key = await change(services, lambda conn: make(conn, new, now_ms=now_ms()))
    return RedirectResponse(link(f"/redrives/{key}"), _SEE_OTHER)


@router.get("/redrives/{redrive_id}")
async def show_redrive(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    redrive_id: Annotated[Id, Path()],
    outcome: Annotated[Outcome | None, Query()] = None,
    after: Annotated[Id | None, Query()] = None,
) -> Response:
    """A redrive: how far it is, what was said of it, and its deliveries."""

    def query(conn: Connection) -> tuple[RedriveJob, list[RedriveItem], bool]:
        job = find_job(conn, viewer.scope, redrive_id)
        outcomes = [outcome] if outcome else []
        items = list_items(conn, viewer.scope, job.id, outcomes=outcomes, after=after or "", limit=ITEMS + 1)
        return job, items, may_act_on(conn, job, authority_of(viewer), now_ms=now_ms())

    job, found, may_act = await look(services, query)
    items = found[:ITEMS]
    following = items[-1].delivery_id if len(found) > ITEMS else None
    return page(
        request,
        viewer,
        "redrive_job.html",
        job=job,
        items=items,
        following=following,
        outcome=outcome,
        may_act=may_act,
    )


@router.post("/redrives/{redrive_id}")
async def act_on_redrive(
    *,
    services: Parts,
    viewer: Looking,
    redrive_id: Annotated[Id, Path()],
    act: Annotated[JobAct, Form()],
    seen: Annotated[int, Form(ge=0, lt=2**53)],
) -> Response:
    """Let the next ones go, pause, go on, cancel; ``seen`` is what was allowed when the page was made."""
    wish = ActRequest(act, authority_of(viewer), seen, viewer.address, viewer.person.home)
    await change(services, lambda conn: act_on(conn, viewer.scope, redrive_id, wish, now_ms=now_ms()))
    return RedirectResponse(link(f"/redrives/{redrive_id}"), _SEE_OTHER)


def authority_of(viewer: Viewer) -> Authority:
    """On whose authority a person of the console acts: the person's own."""
    return Authority(AuthorityKind.PERSON, viewer.person.name)


async def _wizard(
    request: Request, services: Services, viewer: Viewer, q: str, cut: int, *, lacks_reason: bool = False
) -> Response:
    try:
        parsed = parse(q, now_ms=cut, zone=services.zone)
    except FilterError as error:
        return _shown(request, viewer, q, cut, Parsed(Filter(), ()), problems=error.problems, status=_UNPROCESSABLE)
    act = scope_of(viewer.person, Right.ACT)
    run = await look(services, lambda conn: dry_run(conn, viewer.scope, act, parsed.wanted, cut_at=cut))
    status = _UNPROCESSABLE if lacks_reason else 200
    return _shown(request, viewer, q, cut, parsed, run=run, lacks_reason=lacks_reason, status=status)


def _shown(
    request: Request,
    viewer: Viewer,
    q: str,
    cut: int,
    parsed: Parsed,
    *,
    run: DryRun | None = None,
    problems: Sequence[object] = (),
    lacks_reason: bool = False,
    status: int = 200,
) -> Response:
    context: dict[str, Any] = {"q": q, "cut": cut, "parsed": parsed, "run": run}
    context |= {"problems": problems, "lacks_reason": lacks_reason, "watch_minutes": WATCH_SECONDS // 60}
    context |= {"until_parked": round(longest_until_parked() * 1000)}
    return page(request, viewer, "redrive.html", status=status, once=new_id(), **context)


def _require_operator(viewer: Viewer) -> None:
    if not viewer.may_act:
        raise ForbiddenError(
            f"{viewer.person.name} may look, not act", hint="an administrator grants the role operator"
        )
