"""Certificates to print: of one delivery with the chain of its receipts, and of a document with all its recipients."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy import Connection

from router.console.access import Looking, Parts, Viewer
from router.console.pages import page
from router.console.reads import look
from router.errors import NotFoundError
from router.faces import Services
from router.ledger import queries
from router.ledger.queries import Addressee, DeliveryDetail, DispatchDetail
from router.ledger.queries.chain import links_of
from schemas.clock import now_ms
from schemas.codes import UnitCode
from schemas.dispatch import Submission
from schemas.ids import Id
from schemas.standing import standing
from schemas.states import Status
from schemas.trace import trace_id

MOST = 500
"""Recipients on one certificate; the next ones are on another."""
router = APIRouter()


@router.get("/deliveries/{delivery_id}/certificate")
async def certify_delivery(
    request: Request, services: Parts, viewer: Looking, delivery_id: Annotated[Id, Path()]
) -> Response:
    """What was delivered to whom, when, who registered it under which number, and the receipts that say so."""

    def query(conn: Connection) -> tuple[DeliveryDetail, DispatchDetail, bool]:
        found = queries.find_delivery(conn, viewer.scope, delivery_id)
        dispatch = queries.find_dispatch(conn, viewer.scope, found.delivery.dispatch_id) if found else None
        if found is None or dispatch is None:
            raise NotFoundError(f"there is no delivery {delivery_id} that you may see")
        registered = standing(found.receipts).told.get(Status.REGISTERED)
        numbers = {found.delivery.unit: registered.register_number if registered else ""}
        return found, dispatch, bool(queries.repeated_numbers(conn, viewer.scope, numbers, services.zone))

    found, dispatch, is_repeated = await look(services, query)
    stands = standing(found.receipts)
    arrived = stands.told.get(Status.ARRIVED)
    return page(
        request,
        viewer,
        "certificate.html",
        row=found.delivery,
        dispatch=dispatch,
        submission=Submission.model_validate_json(dispatch.submission),
        chain=list(zip(found.receipts, links_of(found.delivery.id, found.receipts), strict=True)),
        arrived=arrived,
        compared=arrived is not None and arrived.content_sha256 == dispatch.content_sha256,
        registered=stands.told.get(Status.REGISTERED),
        registered_at=stands.times.get(Status.REGISTERED),
        trace=trace_id(dispatch.traceparent),
        is_repeated=is_repeated,
        body=body_of(viewer, services),
        directory=services.organisation.directory,
        now=now_ms(),
    )


@router.get("/documents/{dispatch_id}/certificate")
async def certify_document(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    dispatch_id: Annotated[Id, Path()],
    after: Annotated[UnitCode | None, Query()] = None,
) -> Response:
    """The document, and for each recipient when it arrived and under which number it was registered."""

    def query(conn: Connection) -> tuple[DispatchDetail, list[Addressee], frozenset[str]]:
        dispatch = queries.find_dispatch(conn, viewer.scope, dispatch_id)
        if dispatch is None:
            raise NotFoundError(f"there is no document {dispatch_id} that you may see")
        rows = queries.addressees(conn, viewer.scope, dispatch_id, after=after or "", limit=MOST + 1)
        numbers = {row.delivery.unit: row.register_number for row in rows}
        return dispatch, rows, queries.repeated_numbers(conn, viewer.scope, numbers, services.zone)

    dispatch, rows, repeated = await look(services, query)
    return page(
        request,
        viewer,
        "certificate_of_all.html",
        dispatch=dispatch,
        submission=Submission.model_validate_json(dispatch.submission),
        rows=rows[:MOST],
        repeated=repeated,
        body=body_of(viewer, services),
        following=rows[MOST - 1].delivery.unit if len(rows) > MOST else None,
        directory=services.organisation.directory,
        now=now_ms(),
    )


def body_of(viewer: Viewer, services: Services) -> str:
    """The name of the body that a certificate is of: the unit at whose head its maker stands."""
    known = services.organisation.directory.get(viewer.person.home)
    return known.name if known else viewer.person.home
