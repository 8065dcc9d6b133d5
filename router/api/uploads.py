"""``/api/v1/uploads``: attachments that come in pieces, over lines that break (tus 1.0.0)."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from starlette.datastructures import Headers

from router.api import tus
from router.api.auth import Author, Parts
from router.api.body import chunks_of, gathered, length_of
from router.content.uploads import Appender, Upload
from router.content.uploads.records import Announced
from router.errors import MalformedError, TooLargeError
from router.faces import Services
from router.process.threads import slowly
from schemas.accounts import Account

PIECE_BYTES = 256 * 1024
PIECE_SECONDS = 1.0
"""Bytes are written when so many or so old ones are at hand; a kill -9 costs no more."""

router = APIRouter(tags=["uploads"], prefix=tus.ROOT)
Hash = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256 of the content, lower-case hex.")]
_HEADERS = [
    ("Upload-Length", "The bytes that will come.", True),
    ("Upload-Metadata", "`sha256` with the hash in lower-case hex, in base64; other pairs are kept and told.", True),
]
_PARAMETERS = [
    {"in": "header", "name": name, "required": required, "description": text, "schema": {"type": "string"}}
    for name, text, required in _HEADERS
]
_OFFSET = {
    "in": "header",
    "name": "Upload-Offset",
    "required": True,
    "description": "Where the bytes begin: as the router told it last.",
    "schema": {"type": "integer"},
}
_BYTES = {"required": True, "content": {tus.PATCH_TYPE: {}}}


@router.options("", include_in_schema=False)
@router.options("/{sha256}", include_in_schema=False)
async def tell_capabilities(services: Parts, _author: Author) -> Response:
    """What of the protocol is spoken here."""
    return Response(status_code=204, headers=tus.capabilities(services.uploads.limits.largest))


@router.post(
    "",
    summary="Begin a resumable upload",
    status_code=201,
    response_class=Response,
    openapi_extra={"parameters": _PARAMETERS},
)
async def begin(request: Request, services: Parts, author: Author) -> Response:
    """Announce an attachment by its SHA-256 and size; its bytes come by PATCH to the `Location` of the answer.

    The same again finds the upload where it is: `Upload-Offset` says how far it has come. What is whole is named by
    its hash in a submission, as after `PUT /content/{sha256}`.
    """
    announced = _announced(request.headers)
    services.uploads.require_size(announced)
    await services.possession.require_room(author, announced.sha256, announced.length)
    upload = await slowly(services.uploads.announce, author.name, announced)
    await _note_whole(services, author, upload)
    location = f"{tus.ROOT}/{announced.sha256}"
    return Response(status_code=201, headers={"Location": location} | tus.headers_of(upload))


@router.head("/{sha256}", summary="Ask how far an upload has come", response_class=Response)
async def look(sha256: Hash, services: Parts, author: Author) -> Response:
    """`Upload-Offset`: so many bytes are on the disk. A PATCH that is still under way ends with this."""
    upload = await slowly(services.uploads.look, author.name, sha256)
    await _note_whole(services, author, upload)
    said = {"Upload-Length": str(upload.announced.length), "Upload-Metadata": upload.announced.metadata}
    return Response(status_code=200, headers=said | tus.headers_of(upload))


@router.patch(
    "/{sha256}",
    summary="Send bytes of an upload",
    status_code=204,
    response_class=Response,
    openapi_extra={"parameters": [_OFFSET], "requestBody": _BYTES},
)
async def go_on(sha256: Hash, request: Request, services: Parts, author: Author) -> Response:
    """Append bytes at `Upload-Offset`, as many as the request has; they are on the disk when it is answered.

    What had come when a request breaks off stays. 460: all bytes had come and were not those of the hash; the upload
    begins again from nothing.
    """
    tus.require_patch_type(request.headers)
    offset = tus.number_in(request.headers, "Upload-Offset")
    appender = await asyncio.to_thread(_open, services, author, sha256, offset, length_of(request))
    try:
        await _take(request, services, appender)
    finally:
        # Submitted at once and shielded: what a request brought that breaks off is made durable behind it.
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, appender.close))
    upload: Upload = await slowly(services.uploads.settle, appender)
    await _note_whole(services, author, upload)
    return Response(status_code=204, headers=tus.headers_of(upload))


@router.delete("/{sha256}", summary="End an upload", status_code=204, response_class=Response)
async def terminate(sha256: Hash, services: Parts, author: Author) -> Response:
    """Forget what had come. A content that was whole stays."""
    await asyncio.to_thread(services.uploads.terminate, author.name, sha256)
    return Response(status_code=204)


async def _note_whole(services: Services, author: Account, upload: Upload) -> None:
    """Remember who brought what is whole, before it is answered: a crash between is made up for by the next look."""
    if upload.whole:
        await services.possession.brought(author, upload.announced.sha256, upload.announced.length)


def _open(services: Services, author: Account, sha256: str, offset: int, count: int) -> Appender:
    appender = services.uploads.go_on(author.name, sha256, offset)
    if offset + count > appender.length:
        appender.close()
        raise TooLargeError(f"the upload was announced with {appender.length} bytes, and {offset + count} would come")
    return appender


async def _take(request: Request, services: Services, appender: Appender) -> None:
    chunks = chunks_of(request, idle=services.idle_timeout)
    async for piece in gathered(chunks, most=PIECE_BYTES, seconds=PIECE_SECONDS):
        await asyncio.to_thread(appender.append, piece)


def _announced(headers: Headers) -> Announced:
    if "upload-defer-length" in headers:
        raise MalformedError("the length has to be known when an upload begins: send Upload-Length")
    metadata = headers.get("upload-metadata", "")
    sha256 = tus.metadata_in(metadata).get("sha256", "")
    if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):  # noqa: PLR2004 - 256 bits in hex
        raise MalformedError("Upload-Metadata has to hold `sha256`: 64 lower-case hex digits, in base64")
    return Announced(sha256=sha256, length=tus.number_in(headers, "Upload-Length"), metadata=metadata)
