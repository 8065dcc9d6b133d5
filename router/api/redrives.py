"""``/api/v1/redrives``: have stuck deliveries sent again by a job that outlives the request, for operators."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Annotated, TypeVar

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import Field, StringConstraints, model_validator
from sqlalchemy import Connection, Engine

from router.api.auth import Operator, Parts
from router.api.body import json_of
from router.errors import MalformedError
from router.faces import Services
from router.ledger.engine import reading, writing
from router.ledger.queries import Filter
from router.ledger.redrives.acting import ActRequest, act_on
from router.ledger.redrives.authority import Authority, AuthorityKind
from router.ledger.redrives.decisions import JobAct, JobState, Outcome, Pace
from router.ledger.redrives.making import DryRun, NewRedrive, dry_run, make
from router.ledger.redrives.reading import RedriveJob, find_job, list_items, list_jobs
from router.ledger.scope import Scope, scope_of
from router.words.filters import MAX_LENGTH, FilterError
from router.words.filters import parse as parse_filter
from router.words.redrive_views import DryRunView, RedriveItemPage, RedriveItemView, RedrivePage, RedriveView
from schemas.accounts import Account
from schemas.clock import Moment, now_ms, to_ms
from schemas.errors import FieldProblem, InvalidError
from schemas.ids import Id
from schemas.keys import read_key
from schemas.model import Travelling, parse
from schemas.retry import WATCH_SECONDS
from schemas.text import OneLine

T = TypeVar("T")
MOST_PER_MINUTE = 6000
LONGEST_WATCH = 24 * 3600
"""Seconds."""
router = APIRouter(tags=["redrives"], prefix="/api/v1")
RedriveId = Annotated[Id, Path(description="The id that the redrive was answered with.")]
IdempotencyKey = Annotated[
    str,
    Header(
        max_length=402,
        description="1 to 200 printable ASCII characters, plain or in quotes, that stay the same when the request is "
        "repeated: one redrive.",
    ),
]


def _body(name: str) -> dict[str, object]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    return {"requestBody": {"required": True, "content": content}}


class DryRunRequest(Travelling):
    """Which deliveries."""

    filter: Annotated[str, StringConstraints(max_length=MAX_LENGTH)] = ""
    """As in the console's log: `state:parked unit:LCA.02.# since:2d reason:"HTTP 507"`."""
    cut_off: Moment | None = None
    """What got stuck at this time or later is not part of it; without it, now."""


class RedriveRequest(DryRunRequest):
    """A redrive to make."""

    reason: Annotated[OneLine, Field(min_length=1, max_length=500)]
    """Why it may work now; kept in the receipts and the audit log."""
    pace: Pace = Pace.CANARY
    """canary: one, ten, the rest; rate: `per_minute`; all: at once; hand: one, then as many as are let go."""
    per_minute: Annotated[int, Field(ge=1, le=MOST_PER_MINUTE)] | None = None
    """With the pace `rate`, and with no other."""
    watch_seconds: Annotated[int, Field(ge=1, le=LONGEST_WATCH)] = WATCH_SECONDS
    """For how long each is watched: one that comes back in that time stops the redrive."""

    @model_validator(mode="after")
    def _rate_is_whole(self) -> "RedriveRequest":
        if (self.pace is Pace.RATE) != (self.per_minute is not None):
            raise ValueError("per_minute stands with the pace rate, and with no other")
        return self


def _key_of(header: str) -> str:
    try:
        return read_key(header)
    except ValueError as error:
        raise MalformedError(str(error)) from None


@router.post("/redrives/dry-run", summary="Try a redrive", openapi_extra=_body("DryRunRequest"))
async def try_redrive(request: Request, services: Parts, account: Operator) -> DryRunView:
    """How many deliveries a redrive would send again, and what it would skip. Nothing is changed."""
    asked = parse(DryRunRequest, await json_of(request, idle=services.idle_timeout), what="request")
    wanted, cut_at = _read(asked, services)

    def look(conn: Connection) -> DryRun:
        return dry_run(conn, scope_of(account), _acting(account), wanted, cut_at=cut_at)

    return DryRunView.of(await _in(reading, services, look), cut_at)


@router.post("/redrives", summary="Make a redrive", status_code=202, openapi_extra=_body("RedriveRequest"))
async def make_redrive(
    *, request: Request, response: Response, services: Parts, account: Operator, idempotency_key: IdempotencyKey
) -> RedriveView:
    """Have what is parked or expired and fits the filter sent again; 202 means that it goes on, whatever happens.

    The same key again gives the same redrive; with another filter, reason or pace it is 409.
    """
    asked = parse(RedriveRequest, await json_of(request, idle=services.idle_timeout), what="redrive")
    wanted, cut_at = _read(asked, services)
    new = NewRedrive(
        who=_authority(account),
        token=_key_of(idempotency_key),
        text=asked.filter.strip(),
        wanted=wanted,
        cut_at=cut_at,
        reason=asked.reason,
        pace=asked.pace,
        watch_ms=asked.watch_seconds * 1000,
        per_minute=asked.per_minute,
        address=_address(request),
        home=_home(account),
    )

    def work(conn: Connection) -> RedriveJob:
        return find_job(conn, scope_of(account), make(conn, new, now_ms=now_ms()))

    made = await _in(writing, services, work)
    response.headers["location"] = f"/api/v1/redrives/{made.id}"
    return RedriveView.of(made)


@router.get("/redrives", summary="List redrives")
async def list_redrives(
    *,
    services: Parts,
    account: Operator,
    state: Annotated[list[JobState], Query(description="Only those in one of these states.")] = [],  # noqa: B006 - read only
    before: Annotated[Id | None, Query(description="The last of the page before; take it from its `next`.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="The length of a page.")] = 50,
) -> RedrivePage:
    """Redrives of anybody with a delivery to one of the account's units, the latest first."""
    found = await _in(
        reading,
        services,
        lambda conn: list_jobs(conn, scope_of(account), only=state, before=before, limit=limit + 1),
    )
    page = found[:limit]
    following = "".join(f"&state={one.value}" for one in state)
    more = f"/api/v1/redrives?limit={limit}&before={page[-1].id}{following}" if len(found) > limit else None
    return RedrivePage(items=[RedriveView.of(job) for job in page], next=more)


@router.get("/redrives/{redrive_id}", summary="Show a redrive")
async def show_redrive(services: Parts, account: Operator, redrive_id: RedriveId) -> RedriveView:
    """How it stands, counted over the deliveries that the account sees."""
    return RedriveView.of(await _in(reading, services, lambda conn: find_job(conn, scope_of(account), redrive_id)))


@router.get("/redrives/{redrive_id}/items", summary="List the deliveries of a redrive")
async def list_redrive_items(
    *,
    services: Parts,
    account: Operator,
    redrive_id: RedriveId,
    outcome: Annotated[list[Outcome], Query(description="Only those with one of these outcomes.")] = [],  # noqa: B006 - read only
    after: Annotated[Id | None, Query(description="The last of the page before; take it from its `next`.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="The length of a page.")] = 1000,
) -> RedriveItemPage:
    """Each with its outcome, in the order in which they are sent."""
    scope = scope_of(account)

    def look(conn: Connection) -> list[RedriveItemView]:
        job = find_job(conn, scope, redrive_id)
        found = list_items(conn, scope, job.id, outcomes=outcome, after=after or "", limit=limit + 1)
        return [RedriveItemView.of(item) for item in found]

    found = await _in(reading, services, look)
    page, more = found[:limit], len(found) > limit
    following = "".join(f"&outcome={one.value}" for one in outcome)
    place = f"/api/v1/redrives/{redrive_id}/items?limit={limit}"
    return RedriveItemPage(items=page, next=f"{place}&after={page[-1].delivery_id}{following}" if more else None)


@router.post("/redrives/{redrive_id}/{act}", summary="Pause, go on, cancel, or let more go")
async def act_on_redrive(
    *,
    request: Request,
    services: Parts,
    account: Operator,
    redrive_id: RedriveId,
    act: Annotated[JobAct, Path(description="What is to happen to it.")],
    seen: Annotated[
        int | None,
        Query(
            ge=0,
            lt=2**53,
            description="With one, ten and rest: `allowed` as it was seen, so that a repeat does nothing.",
        ),
    ] = None,
) -> RedriveView:
    """For those who may act on every delivery of it; it goes on in the name of whoever let it go on last."""
    wish = ActRequest(act, _authority(account), seen, _address(request), _home(account))

    def work(conn: Connection) -> RedriveJob:
        return act_on(conn, scope_of(account), redrive_id, wish, now_ms=now_ms())

    return RedriveView.of(await _in(writing, services, work))


def _read(asked: DryRunRequest, services: Services) -> tuple[Filter, int]:
    """The filter relative to its cut-off, and that (UTC ms)."""
    cut_at = now_ms() if asked.cut_off is None else to_ms(asked.cut_off)
    try:
        return parse_filter(asked.filter, now_ms=cut_at, zone=services.zone).wanted, cut_at
    except FilterError as error:
        problems = [FieldProblem("filter", item.english, item.token) for item in error.problems]
        raise InvalidError("filter", problems) from error


async def _in(
    transaction: Callable[[Engine], AbstractContextManager[Connection]],
    services: Services,
    work: Callable[[Connection], T],
) -> T:
    """Run work in a transaction, in a thread."""

    def run() -> T:
        with transaction(services.engine) as conn:
            return work(conn)

    return await asyncio.to_thread(run)


def _authority(account: Account) -> Authority:
    return Authority(AuthorityKind.ACCOUNT, account.name)


def _acting(account: Account) -> Scope:
    return Scope(units=(account.pattern,))


def _home(account: Account) -> str:
    return account.pattern.removesuffix(".#")


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
