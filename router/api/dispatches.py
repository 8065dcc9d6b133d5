"""``GET /api/v1/dispatches``: what became of them, for those who sent them and for operators."""

import asyncio
from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from router.api.auth import Author, Parts
from router.api.views import DispatchPage, DispatchSummary, DispatchView, ReceiptPage, ReceiptView
from router.errors import NotFoundError
from router.faces import Services
from router.ledger import queries
from router.ledger.engine import reading
from router.ledger.queries import Filter
from router.ledger.scope import Scope, scope_of_sender
from schemas.clock import Moment, now_ms, to_ms
from schemas.codes import UnitCode, UnitPattern
from schemas.ids import Id
from schemas.states import Status

T = TypeVar("T")
router = APIRouter(tags=["dispatches"], prefix="/api/v1")
DispatchId = Annotated[Id, Path(description="The id that the submission was answered with.")]


class ListQuery(BaseModel):
    """The filters of the list."""

    model_config = ConfigDict(extra="forbid")

    issuer: UnitPattern | None = Field(None, description="Only by this unit, or by a subtree as `LCA.02.#`.")
    since: Moment | None = Field(None, description="Only accepted at or after this time.")
    until: Moment | None = Field(None, description="Only accepted before this time.")
    state: list[Status] = Field([], description="Only with a delivery in one of these states.")
    late: bool = Field(default=False, description="Only with a delivery of which something that is owed is late.")
    q: str = Field("", max_length=200, description="Only with this in notation or subject, accents and case aside.")
    cursor: str | None = Field(None, max_length=200, description="From the page before; take it from its `next`.")
    limit: int = Field(50, ge=1, le=200, description="The length of a page.")


class AddresseeQuery(BaseModel):
    """The page of a dispatch's addressees."""

    model_config = ConfigDict(extra="forbid")

    state: list[Status] = Field([], description="Only addressees in one of these states.")
    late: bool = Field(default=False, description="Only addressees at which something that is owed is late.")
    after: UnitCode | None = Field(None, description="The last unit of the page before; take it from its `next`.")
    limit: int = Field(1000, ge=1, le=1000, description="The length of a page.")


class ReceiptQuery(BaseModel):
    """The page of a dispatch's receipts."""

    model_config = ConfigDict(extra="forbid")

    after: int = Field(0, ge=0, lt=2**53, description="The last place of the page before; take it from its `next`.")
    limit: int = Field(1000, ge=1, le=1000, description="The length of a page.")


@router.get("/dispatches", summary="List dispatches")
async def list_dispatches(
    request: Request, response: Response, services: Parts, account: Author, wanted: Annotated[ListQuery, Query()]
) -> DispatchPage:
    """Dispatches, the latest accepted first: an issuer's or a gateway's own, an operator's within its pattern."""

    def look(conn: Connection, scope: Scope) -> queries.Page[queries.DispatchRow]:
        return queries.list_dispatches(
            conn,
            scope,
            issuers=wanted.issuer or "",
            since=to_ms(wanted.since) if wanted.since else None,
            until=to_ms(wanted.until) if wanted.until else None,
            text=wanted.q,
            states=wanted.state,
            late_by=now_ms() if wanted.late else None,
            cursor=wanted.cursor,
            limit=wanted.limit,
        )

    page = await _look(services, scope_of_sender(account), look)
    following = page.next_cursor and link_next(request, response, cursor=page.next_cursor)
    return DispatchPage(items=[DispatchSummary.of(row) for row in page.items], next=following)


@router.get("/dispatches/{dispatch_id}", summary="Show a dispatch and each addressee")
async def show_dispatch(
    *,
    dispatch_id: DispatchId,
    request: Request,
    response: Response,
    services: Parts,
    account: Author,
    wanted: Annotated[AddresseeQuery, Query()],
) -> DispatchView:
    """The roll-up over all addressees, and a page of them by unit code."""

    def look(conn: Connection, scope: Scope) -> tuple[queries.DispatchDetail, list[queries.Addressee]]:
        detail = _require(queries.find_dispatch(conn, scope, dispatch_id), dispatch_id)
        page = queries.addressees(
            conn,
            scope,
            dispatch_id,
            states=wanted.state,
            late_by=now_ms() if wanted.late else None,
            after=wanted.after or "",
            limit=wanted.limit + 1,
        )
        return detail, page

    detail, found = await _look(services, scope_of_sender(account), look)
    page = found[: wanted.limit]
    following = link_next(request, response, after=page[-1].delivery.unit) if len(found) > len(page) else None
    return DispatchView.whole(detail, page, following)


@router.get("/dispatches/{dispatch_id}/receipts", summary="List the receipts of a dispatch")
async def list_receipts(
    *,
    dispatch_id: DispatchId,
    request: Request,
    response: Response,
    services: Parts,
    account: Author,
    wanted: Annotated[ReceiptQuery, Query()],
) -> ReceiptPage:
    """Every receipt in the order in which they were recorded, the refused and the stale ones too.

    `next` is always given, so a poller can ask for what came since.
    """

    def look(conn: Connection, scope: Scope) -> list[queries.LogEntry]:
        _require(queries.find_dispatch(conn, scope, dispatch_id), dispatch_id)
        only = Filter(dispatch_id=dispatch_id)
        return queries.read_log(conn, scope, only, after=wanted.after, limit=wanted.limit)

    found = await _look(services, scope_of_sender(account), look)
    following = link_next(request, response, after=found[-1].pos if found else wanted.after)
    return ReceiptPage(items=[ReceiptView.of(entry) for entry in found], next=following)


async def _look(services: Services, scope: Scope, query: Callable[[Connection, Scope], T]) -> T:
    """Run a query on the ledger, in a thread."""

    def work() -> T:
        with reading(services.engine) as conn:
            return query(conn, scope)

    return await asyncio.to_thread(work)


def _require(found: queries.DispatchDetail | None, dispatch_id: str) -> queries.DispatchDetail:
    if found is None:
        raise NotFoundError(f"there is no dispatch {dispatch_id} for this account")
    return found


def link_next(request: Request, response: Response, **position: str | int) -> str:
    """Where the next page is, told in the Link header (RFC 8288) too."""
    url = request.url.include_query_params(**position)
    following = f"{url.path}?{url.query}"
    response.headers["link"] = f'<{following}>; rel="next"'
    return following
