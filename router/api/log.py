"""``/api/v1/log``: the log of what was recorded, as others read it: checkpoints, tiles of its tree, proofs.

Checkpoint and tiles are those of C2SP tlog-tiles, so its tools read them. Entries are not served: what was sent to whom
is not everybody's to know, and whoever may know an entry has its bytes.
"""

import re
from base64 import b64encode
from functools import partial
from hashlib import sha256
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy import Connection

from router.api.auth import Caller, Parts
from router.errors import MalformedError, NotFoundError
from router.ledger.engine import reading
from router.ledger.log import checkpoints, tree
from router.ledger.log.checkpoints import KeptCheckpoint
from router.storage.transactions import in_thread
from schemas.trust.checkpoints import HEADER_LOG_KEY

_NOT_MODIFIED = 304
_TILE = re.compile(
    r"(?P<level>[0-9]|[1-5][0-9]|6[0-3])/(?P<number>(?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)
_OF_A_LEVEL = "no tile of a log: write it as tlog-tiles does, 0/x001/067 or 0/067.p/112"
_LARGEST = 2**62
Size = Annotated[int, Query(ge=0, le=_LARGEST, description="How many entries.")]
router = APIRouter(tags=["log"], prefix="/api/v1")


@router.get(
    "/log/checkpoint",
    summary="Show the newest checkpoint of the log",
    response_class=PlainTextResponse,
)
async def show_checkpoint(
    services: Parts,
    account: Caller,
    if_none_match: Annotated[str, Header(max_length=200, description="The ETag of what is at hand.")] = "",
) -> Response:
    """The log's name, how many entries it has and the root over them, signed by the log and by its witnesses.

    One that has not changed since the ETag that is given is 304, without a body.
    """
    del account  # whoever has a token may ask
    key, newest = await in_thread(partial(reading, services.engine), _newest)
    if newest is None:
        raise NotFoundError("the log has no checkpoint yet", hint="one is made within 20 s of the first entry")
    headers = {"etag": f'"{sha256(newest.note.encode()).hexdigest()[:32]}"', HEADER_LOG_KEY: key}
    if if_none_match == headers["etag"]:
        return Response(status_code=_NOT_MODIFIED, headers=headers)
    return PlainTextResponse(newest.note, headers=headers)


@router.get(
    "/log/tile/{tile:path}",
    summary="Fetch hashes of the log's tree",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "Hashes of 32 bytes each."}},
)
async def show_tile(
    tile: Annotated[str, Path(max_length=60, description="Level and number of the tile, as tlog-tiles writes them.")],
    services: Parts,
    account: Caller,
) -> Response:
    """A tile: 256 hashes of a level, from which any proof is made; of one that is not full yet the width is named."""
    del account
    level, number, width = _place_of(tile)
    hashes = await in_thread(partial(reading, services.engine), lambda conn: tree.tile(conn, level, number, width))
    if len(hashes) < width:
        raise NotFoundError(f"the log has no tile {tile} yet")
    return Response(b"".join(hashes), media_type="application/octet-stream")


@router.get(
    "/log/consistency",
    summary="Prove that the log has only grown",
    response_class=PlainTextResponse,
)
async def show_consistency(services: Parts, account: Caller, old: Size, size: Size) -> PlainTextResponse:
    """The proof that the first `size` entries begin with the first `old` (RFC 6962, 2.1.2): lines of base64."""
    del account

    def prove(conn: Connection) -> list[bytes]:
        if not old <= size <= tree.size_of(conn):
            raise NotFoundError(f"there is no proof from {old} to {size} entries in a log of {tree.size_of(conn)}")
        return tree.consistency_proof(conn, old, size)

    found = await in_thread(partial(reading, services.engine), prove)
    return PlainTextResponse("".join(f"{b64encode(item).decode()}\n" for item in found))


def _newest(conn: Connection) -> tuple[str, KeptCheckpoint | None]:
    return checkpoints.key_of(conn), checkpoints.newest(conn)


def _place_of(tile: str) -> tuple[int, int, int]:
    """Level, number and width of a tile.

    Raises:
        MalformedError: it is written otherwise.
    """
    found = _TILE.fullmatch(tile)
    width = int(found["width"] or tree.TILE) if found else 0
    if found is None or not 0 < width <= tree.TILE or found["width"] == str(tree.TILE):
        raise MalformedError(f"{tile!r} is {_OF_A_LEVEL}")
    return int(found["level"]), int(found["number"].replace("x", "").replace("/", "")), width
