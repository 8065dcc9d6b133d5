"""Deliveries: a list by filter, and the journey of one to its addressee."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy import Connection

from router.console.access import FilterText, Looking, Parts
from router.console.pages import page
from router.console.reads import look
from router.console.views import shelf_of
from router.errors import NotFoundError
from router.ledger import queries
from router.ledger.people.persons import Right
from router.ledger.people.views import Screen
from router.ledger.queries import DeliveryDetail, DeliveryRow, DispatchDetail, Filter, OutageRow
from router.ledger.queries.contents import needed_by
from router.words.filters import FilterError, Parsed, parse
from router.words.journey import drops_of, journey_of
from router.words.verdict import verdict_of
from schemas.clock import now_ms
from schemas.ids import Id

PAGE = 100
_Names = Mapping[str, str]
"""Of units, by their codes."""
router = APIRouter()


@router.get("/deliveries")
async def list_deliveries(
    request: Request, services: Parts, viewer: Looking, q: FilterText = "", before: Id | None = None
) -> Response:
    """Deliveries as they stand, the latest first."""
    now = now_ms()
    try:
        parsed = parse(q, now_ms=now, zone=services.zone)
    except FilterError as error:
        context = {"rows": [], "problems": error.problems, "parsed": Parsed(Filter(), ())}
        context["views"] = await shelf_of(services, viewer, Screen.DELIVERIES, {"q": q}, may_keep=False)
        return page(request, viewer, "deliveries.html", status=422, q=q, older=None, **context)

    def query(conn: Connection) -> tuple[list[DeliveryRow], int]:
        scope, wanted = viewer.scope, parsed.wanted
        found = queries.find_deliveries(conn, scope, wanted, now_ms=now, before=before, limit=PAGE + 1)
        is_all = before is None and len(found) <= PAGE
        return found, len(found) if is_all else queries.count_deliveries(conn, scope, wanted, now_ms=now)

    found, count = await look(services, query)
    rows = found[:PAGE]
    older = rows[-1].id if len(found) > PAGE else None
    return page(
        request,
        viewer,
        "deliveries.html",
        q=q,
        parsed=parsed,
        problems=(),
        rows=rows,
        count=count,
        most_counted=queries.MOST_COUNTED,
        older=older,
        views=await shelf_of(services, viewer, Screen.DELIVERIES, {"q": q}),
    )


@router.get("/deliveries/{delivery_id}")
async def show_delivery(
    request: Request, services: Parts, viewer: Looking, delivery_id: Annotated[Id, Path()]
) -> Response:
    """Everything that happened to one delivery, what comes next, and what can be done."""

    def query(conn: Connection) -> tuple[DeliveryDetail | None, DispatchDetail | None, list[OutageRow], bool, _Names]:
        found = queries.find_delivery(conn, viewer.scope, delivery_id)
        if found is None:
            return None, None, [], False, {}
        dispatch = queries.find_dispatch(conn, viewer.scope, found.delivery.dispatch_id)
        needed = needed_by(conn, found.delivery.dispatch_id)
        damaged = any(services.content.size(file.sha256) is None for file in needed)
        above = queries.above_of(conn, viewer.scope, found.delivery.unit)
        return found, dispatch, drops_of(conn, found, now_ms()), damaged, above

    found, dispatch, drops, damaged, above = await look(services, query)
    if found is None or dispatch is None:
        raise NotFoundError(f"there is no delivery {delivery_id} that you may see")
    row, now = found.delivery, now_ms()
    return page(
        request,
        viewer,
        "delivery.html",
        row=row,
        dispatch=dispatch,
        steps=journey_of(found, drops),
        verdict=verdict_of(row, damaged=damaged),
        is_late=any(item.late(now) for item in row.owed),
        above=above,
        may_redrive=row.state in queries.REDRIVABLE and viewer.person.may(Right.ACT, row.unit),
    )
