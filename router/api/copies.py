"""``/api/v1/copies``: the copy of its books that a gateway leaves with the router, and what brings them back."""

import asyncio
import time
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from router.api import ranges
from router.api.auth import Gateway, Parts
from router.api.body import json_of
from router.api.content import ContentResponse, Found, unsatisfiable
from router.api.copy_views import CopyChainView, CopyPieceView, ToldDeliveryView, ToldPage
from router.errors import ContentDamagedError, NotFoundError, UnknownAttachmentError
from router.faces import Services
from router.ledger.engine import reading, writing
from router.ledger.queries.unit_receipts import deliveries_told
from router.ledger.units import copies
from router.storage.transactions import in_thread
from schemas.clock import now_ms
from schemas.codes import UnitCode
from schemas.copies import NewPiece, PieceNumber
from schemas.errors import FieldProblem
from schemas.ids import Id
from schemas.model import parse

router = APIRouter(tags=["copies"], prefix="/api/v1")
Chain = Annotated[Id, Path(description="The chain's id, made by the gateway with its first piece.")]
Number = Annotated[
    PieceNumber, Path(description="0: everything; each other one: what has changed since the one before.")
]
_BODY = {
    "required": True,
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewPiece"}}},
}


@router.put(
    "/copies/{chain}/{number}",
    summary="Add a piece to a copy of books",
    status_code=201,
    responses={200: {"model": CopyPieceView, "description": "It was there already."}},
    openapi_extra={"requestBody": _BODY},
)
async def add_piece(  # noqa: PLR0917 - path and body are parameters to the framework
    chain: Chain, number: Number, request: Request, response: Response, services: Parts, account: Gateway
) -> CopyPieceView:
    """Name bytes that came by an upload as the next piece of a chain. The router cannot read them.

    The same again changes nothing. Of each spool the newest chain stays and the one before it. 409: begin a new chain.
    """
    new = parse(NewPiece, await json_of(request, idle=services.idle_timeout), what="piece")
    await asyncio.to_thread(_require_here, services, new)
    now = now_ms()
    is_new = await in_thread(
        partial(writing, services.engine),
        lambda conn: copies.add_piece(conn, account.name, (chain, number), new, now_ms=now),
    )
    response.status_code = 201 if is_new else 200
    return CopyPieceView(number=number, sha256=new.sha256, size=new.size)


@router.get("/copies", summary="List the copies of books")
async def list_copies(services: Parts, account: Gateway) -> list[CopyChainView]:
    """The chains that the account has left here, the one that was added to last first."""
    found = await in_thread(partial(reading, services.engine), lambda conn: copies.chains(conn, [account.name]))
    return [CopyChainView.of(chain) for chain in found]


@router.get(
    "/copies/{chain}/{number}",
    summary="Fetch a piece of a copy of books",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {}}, "description": "The bytes, encrypted as they came."},
        206: {"description": "The ranges asked for."},
        416: {"description": "No byte of the ranges is there."},
    },
)
async def get_piece(chain: Chain, number: Number, request: Request, services: Parts, account: Gateway) -> Response:
    """The bytes of a piece, for the account that left it alone; with `Range`, so that a line may break."""
    found = await in_thread(partial(reading, services.engine), lambda conn: copies.chain_of(conn, account.name, chain))
    if found is None or number >= len(found.pieces):
        raise NotFoundError(f"there is no piece {number} of a copy {chain} of {account.name}")
    piece = found.pieces[number]
    if await asyncio.to_thread(services.content.sound, piece.sha256) != piece.size:
        raise ContentDamagedError(f"the router's copy of piece {number} is damaged or lost")
    kept = Found(services.content.path(piece.sha256), piece.size, piece.sha256)
    try:
        chosen = ranges.wanted(request.headers, etag=f'"{kept.etag}"', size=kept.size)
    except ranges.UnsatisfiableError:
        return unsatisfiable(request.url.path, kept.size)
    return ContentResponse(kept, chosen, request)


@router.get("/units/{code}/deliveries", summary="List a unit's own deliveries and receipts")
async def list_told(  # noqa: PLR0917 - path and query are parameters to the framework
    services: Parts,
    account: Gateway,
    code: Annotated[UnitCode, Path(description="A unit that the gateway hosts.")],
    after: Annotated[int, Query(ge=0, lt=2**53, description="The last number of the page before.")] = 0,
    since: Annotated[int, Query(ge=0, lt=2**53, description="Only made at this time or later, UTC milliseconds.")] = 0,
    limit: Annotated[int, Query(ge=1, le=200, description="The length of a page.")] = 100,
) -> ToldPage:
    """What came to a unit, and what the unit said of it: so that lost registers are written anew.

    In the order of the unit's sequence; `next` is left out at the end.
    """
    if not account.stands_for(code):
        raise NotFoundError(f"there is no unit {code} that {account.name} stands for")
    found = await in_thread(
        partial(reading, services.engine),
        lambda conn: deliveries_told(conn, code, after=after, since=since, limit=limit + 1),
    )
    page, directory = found[:limit], services.organisation.directory
    following = page[-1].seq if len(found) > limit else None
    return ToldPage(items=[ToldDeliveryView.of(row, directory) for row in page], next=following)


def _require_here(services: Services, new: NewPiece) -> None:
    """Go on only when the bytes are in the store and stay.

    Raises:
        UnknownAttachmentError: they have to be uploaded, again.
    """
    store = services.content
    if not store.touch(new.sha256, unless_since=time.time()) or store.sound(new.sha256) != new.size:
        problem = FieldProblem("sha256", f"no {new.size} bytes with the SHA-256 {new.sha256} were uploaded")
        raise UnknownAttachmentError(problem.problem, problems=[problem])
