"""``/content/{sha256}``: issuers put bytes in, gateways fetch those of their deliveries, from any byte on."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from starlette.datastructures import MutableHeaders
from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

from router.api import negotiation, ranges
from router.api.auth import Caller, Parts, Sender, sent_while_good
from router.api.body import chunks_of, length_of, media_type_of
from router.api.negotiation import VARY
from router.api.problems import answer
from router.api.ranges import ByteRange, UnsatisfiableError
from router.content.encoding import forms
from router.content.encoding.restoring import restore
from router.errors import ContentDamagedError, MalformedError, NotFoundError
from router.faces import Services
from router.ledger.engine import reading
from router.ledger.queries.contents import was_removed
from router.ledger.scope import scope_of
from router.ledger.way.dictionaries import announced_forms
from router.ledger.way.holders import may_fetch
from router.problem import problem
from router.words.view import View
from schemas.accounts import Account
from schemas.encoding import Encoding

FOREVER = "private, max-age=31536000, immutable, no-transform"
"""A hash names the same bytes for ever; only who may see them changes, so shared caches need their own say."""

router = APIRouter(tags=["content"])
Hash = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256 of the content, lower-case hex.")]


class StoredContent(View):
    """What was stored: the name and the bytes counted."""

    sha256: str
    """Its name."""
    size: int
    """Its bytes."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a request is answered with: the content as it is, or one of its forms; ``etag`` has no quotes."""

    path: FilePath
    size: int
    etag: str
    encoding: Encoding = Encoding.IDENTITY

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every answer with it, or that spares its bytes."""
        told = {"etag": f'"{self.etag}"', "cache-control": FOREVER, "vary": VARY}
        return told if self.encoding is Encoding.IDENTITY else told | {"content-encoding": self.encoding.value}


class ContentResponse(FileResponse):
    """Sends a stored file, whole or the ranges that :func:`router.api.ranges.wanted` chose.

    Starlette's own sending is used, with a Range header that says exactly what was decided.
    """

    def __init__(self, found: "Found", chosen: tuple[ByteRange, ...], request: Request) -> None:
        super().__init__(
            found.path, headers=found.headers, media_type="application/octet-stream", stat_result=found.path.stat()
        )
        del self.headers["last-modified"]  # when a copy was written says nothing about the content
        self._chosen = chosen
        self._request = request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the chosen ranges, whatever the request's own headers say."""
        scope = {**scope, "headers": list(scope["headers"])}
        headers = MutableHeaders(scope=scope)
        del headers["if-range"]
        del headers["range"]
        if self._chosen:
            headers["range"] = f"bytes={','.join(map(str, self._chosen))}"
        await super().__call__(scope, receive, sent_while_good(self._request, send))


@router.put(
    "/content/{sha256}",
    summary="Upload an attachment",
    status_code=201,
    responses={200: {"model": StoredContent, "description": "It was there already."}},
    openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": {}}}},
)
async def put_content(
    sha256: Hash, request: Request, response: Response, services: Parts, sender: Sender
) -> StoredContent:
    """Store bytes under the hash they have, before a submission names them.

    The same upload again answers 200 and changes nothing. It always has to be sent whole: only someone who has the
    bytes learns whether they are here. Other bytes than the hash says answer 422 and leave nothing.
    """
    media_type_of(request)
    if "content-range" in request.headers:
        raise MalformedError("an upload is sent whole, without Content-Range")
    expected = length_of(request)
    async with await services.content.begin(expected_bytes=expected, max_bytes=services.max_attachment_bytes) as writer:
        await services.possession.require_room(sender, sha256, expected)
        async for chunk in chunks_of(request, idle=services.idle_timeout):
            await writer.write(chunk)
        stored = await services.possession.take_in(writer, sender, expected_sha256=sha256)
    response.status_code = 201 if stored.created else 200
    response.headers["location"] = f"/content/{sha256}"
    response.headers["etag"] = f'"{sha256}"'
    return StoredContent(sha256=stored.sha256, size=stored.size)


@router.get(
    "/content/{sha256}",
    summary="Fetch an attachment",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {}}, "description": "The bytes."},
        206: {"description": "The ranges asked for."},
        304: {"description": "The caller has them already (If-None-Match)."},
        416: {"description": "No byte of the ranges is there."},
    },
)
@router.head("/content/{sha256}", include_in_schema=False)
async def get_content(sha256: Hash, request: Request, services: Parts, account: Caller) -> Response:
    """The bytes of a hash, with `Range`, `If-Range` and a strong ETag; that of the plain bytes is `"<sha256>"`.

    Where the router keeps a smaller form, `Accept-Encoding: zstd` gets it, and `Accept-Encoding: dcz` with
    `Available-Dictionary` (RFC 9842) one that was compressed with an earlier content that the caller may have, too.
    Ranges are those of the form; each has an ETag of its own and never changes.

    `Cache-Control: no-cache` has the bytes hashed anew before they are sent: for a caller that got others. 503 tells
    that the router's own copy is damaged; it is answered again when the bytes have come once more.

    For gateways that have a delivery with it and for its issuer; everybody else gets the 404 of what is not there.
    """
    found = await asyncio.to_thread(_find, services, account, sha256, request.headers)
    etag = f'"{found.etag}"'
    if ranges.not_modified(request.headers, etag):
        return Response(status_code=304, headers={**found.headers})
    chosen: tuple[ByteRange, ...] = ()
    if request.method == "GET":
        try:
            chosen = ranges.wanted(request.headers, etag=etag, size=found.size)
        except UnsatisfiableError:
            return unsatisfiable(request.url.path, found.size)
    return ContentResponse(found, chosen, request)


def _find(services: Services, account: Account, sha256: str, headers: Mapping[str, str]) -> Found:
    scope = scope_of(account)
    readable = negotiation.accepted(headers)
    dictionary = negotiation.held_dictionary(headers)
    with reading(services.engine) as conn:
        allowed = may_fetch(conn, scope, sha256)
        announced = announced_forms(conn, sha256) if allowed and readable else []
        allowed = allowed and not (services.content.size(sha256) is None and was_removed(conn, sha256))
        if dictionary is not None and not (allowed and may_fetch(conn, scope, dictionary)):
            dictionary = None
    if not allowed:
        raise NotFoundError(f"there is no content {sha256} for {account.name}")
    doubted = "no-cache" in headers.get("cache-control", "").lower()
    size = _sound_size(services, sha256, doubted=doubted)
    kept = forms.find(services.content, sha256, doubted=doubted) if readable else []
    for lost in forms.lost(announced, kept):
        services.encoder.remake(sha256, lost)
    form = negotiation.choose(kept, headers, dictionary=dictionary, size=size)
    if form is None:
        return Found(services.content.path(sha256), size, sha256)
    return Found(form.path, form.size, form.etag, form.encoding)


def _sound_size(services: Services, sha256: str, *, doubted: bool) -> int:
    """The bytes of a content that somebody may have, known to be its own.

    Raises:
        ContentDamagedError: they are not here: the ledger knows the content, the store has lost it.
    """
    store = services.content
    size = store.sound(sha256, doubted=doubted)
    if size is None and restore(store, sha256, engine=services.engine):
        size = store.sound(sha256)
    if size is None:
        store.note_missing(sha256)
        raise ContentDamagedError(f"the router's copy of {sha256} is damaged or lost; nothing is wrong with the unit")
    return size


def unsatisfiable(path: str, size: int) -> Response:
    """The answer to ranges of which no byte is there."""
    detail = f"the content has {size} bytes"
    told = problem(416, "range-not-satisfiable", "No byte of the ranges is there", detail=detail, path=path)
    return answer(told, {"content-range": f"bytes */{size}"})
