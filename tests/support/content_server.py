"""The router's web side as a gateway meets it, with faults on demand: cuts, wrong bytes, refusals; and the units.

It serves forms of a content, too, to who accepts their coding and holds their dictionary.
"""

import asyncio
import hashlib
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from aiohttp import web
from aiohttp.test_utils import TestServer

from schemas.encoding import as_available_dictionary
from schemas.health import HEADER_BEFORE, HEADER_ELSEWHERE, HEADER_SPOOL

CHUNK = 16 * 1024


@dataclass(slots=True)
class Request:
    """One request for a content: its name, the byte it began at, whether it was asked to resume, what it takes.

    ``doubted``: the router is asked to hash its bytes first, because others came.
    """

    sha256: str
    start: int
    if_range: str
    accept: str = ""
    dictionary: str = ""
    doubted: bool = False


@dataclass(frozen=True, slots=True)
class Served:
    """What answers a request: bytes, their validator, their coding; ``dictionary``: who asks has to hold it."""

    data: bytes
    etag: str
    encoding: str = ""
    dictionary: str = ""


@dataclass(slots=True)
class ContentServer:
    """What is served and how.

    Attributes:
        answers: statuses to answer next instead of the bytes, as the router does.
        foreign: makes what to answer next as somebody else who stands in the line.
        end_after: bytes after which the next answers end as if that were all, one entry per answer; 0 lets it pass.
        cut_after: bytes after which the next answers are cut, one entry per answer; 0 lets it pass.
        forms: of the contents, by their name; the first that a request fits is sent.
        problem: the title of the problem that a refusal carries; empty: as HTTP calls the status.
        always: send the first form whatever is accepted, as long as anything but the plain content is.
        swap: names whose bytes are replaced by others of the same length, this often.
        ranges: whether Range is understood.
        names: what units are called; None: a router of before.
        named: the codes that were asked for, by request.
        before: the units for which another spool worked last, as the header tells.
        elsewhere: by the spool that asks for the units, those for which another gateway works, as the header tells.
        spools: that have asked for the units.
        open: cleared to hold every answer back, but for the bytes before ``held_from``.
        requests: what was asked.
    """

    contents: dict[str, bytes] = field(default_factory=dict)
    forms: dict[str, list[Served]] = field(default_factory=dict)
    units: list[dict[str, object]] = field(default_factory=list)
    names: dict[str, str] | None = field(default_factory=dict)
    named: list[list[str]] = field(default_factory=list)
    elsewhere: dict[str, str] = field(default_factory=dict)
    before: str = ""
    spools: list[str] = field(default_factory=list)
    answers: deque[int] = field(default_factory=deque)
    foreign: deque[Callable[[], web.Response]] = field(default_factory=deque)
    cut_after: deque[int] = field(default_factory=deque)
    end_after: deque[int] = field(default_factory=deque)
    swap: dict[str, int] = field(default_factory=dict)
    always: bool = False
    problem: str = ""
    ranges: bool = True
    held_from: int = 0
    open: asyncio.Event = field(default_factory=asyncio.Event)
    requests: list[Request] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=dict)
    url: str = ""

    def put(self, data: bytes) -> str:
        """Serve bytes; their name."""
        sha256 = hashlib.sha256(data).hexdigest()
        self.contents[sha256] = data
        return sha256

    async def name_units(self, request: web.Request) -> web.StreamResponse:
        """``GET /api/v1/names``."""
        asked = sorted(request.query.getall("code"))
        if self.names is None:
            return web.Response(status=404)
        self.named.append(asked)
        return web.json_response({code: self.names[code] for code in asked if code in self.names})

    async def list_units(self, request: web.Request) -> web.StreamResponse:
        """``GET /api/v1/units``."""
        self.tokens.append(request.headers.get("Authorization", ""))
        if self.foreign:
            return self.foreign.popleft()()
        if self.answers:
            return problem(self.answers.popleft())
        spool = request.headers.get(HEADER_SPOOL, "")
        self.spools.append(spool)
        named = self.elsewhere.get(spool, self.elsewhere.get("", ""))
        headers = {HEADER_ELSEWHERE: named, HEADER_BEFORE: self.before}
        return web.json_response(self.units, headers={name: text for name, text in headers.items() if text})

    async def get(self, request: web.Request) -> web.StreamResponse:
        """``GET /content/<sha256>``."""
        sha256 = request.match_info["sha256"]
        wanted = request.headers.get("Range", "bytes=0-") if self.ranges else "bytes=0-"
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        asked = Request(
            sha256,
            start,
            request.headers.get("If-Range", ""),
            request.headers.get("Accept-Encoding", ""),
            request.headers.get("Available-Dictionary", ""),
            request.headers.get("Cache-Control") == "no-cache",
        )
        self.requests.append(asked)
        self.tokens.append(request.headers.get("Authorization", ""))
        if self.foreign:
            return self.foreign.popleft()()
        if self.answers:
            return problem(self.answers.popleft(), self.problem)
        served = self._served(asked)
        if served is None:
            return problem(404)
        if asked.if_range and asked.if_range != f'"{served.etag}"':
            start = 0
        if self.swap.get(sha256):
            self.swap[sha256] -= 1
            served = replace(served, data=b"\0" * len(served.data))
        return await self._send(request, sha256, served, start)

    def _served(self, asked: Request) -> Served | None:
        for form in self.forms.get(asked.sha256, []):
            held = not form.dictionary or asked.dictionary == as_available_dictionary(form.dictionary)
            accepted = form.encoding in asked.accept.split(", ") or (self.always and asked.accept != "identity")
            if accepted and held:
                return form
        data = self.contents.get(asked.sha256)
        return None if data is None else Served(data, asked.sha256)

    async def _send(self, request: web.Request, sha256: str, served: Served, start: int) -> web.StreamResponse:
        data = served.data
        response = web.StreamResponse(status=206 if start else 200, headers={"ETag": f'"{served.etag}"'})
        if served.encoding:
            response.headers["Content-Encoding"] = served.encoding
        if start:
            response.headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        end = self.end_after.popleft() if self.end_after else 0
        if end:
            response.enable_chunked_encoding()  # as a proxy does that does not know what it will get
            data = data[: start + end]
        else:
            response.content_length = len(data) - start
        await response.prepare(request)
        stop = self.cut_after.popleft() if self.cut_after else 0
        for offset in range(start, len(data), CHUNK):
            if stop and offset - start >= stop:
                assert request.transport is not None
                request.transport.abort()
                break
            if offset >= self.held_from:
                await self.open.wait()
            await response.write(data[offset : offset + CHUNK])
            self.sent[sha256] = self.sent.get(sha256, 0) + len(data[offset : offset + CHUNK])
        return response


def problem(status: int, title: str = "") -> web.Response:
    """An error of the router's."""
    told = {"title": title or HTTPStatus(status).phrase, "status": status}
    return web.json_response(told, status=status, content_type="application/problem+json")


@asynccontextmanager
async def content_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[ContentServer]:
    """A server on a free port, at ``url``."""
    made = ContentServer()
    made.open.set()
    application = web.Application()
    application.router.add_get("/content/{sha256}", made.get)
    application.router.add_get("/api/v1/units", made.list_units)
    application.router.add_get("/api/v1/names", made.name_units)
    server = TestServer(application, scheme="https" if tls else "http")
    await server.start_server(ssl=tls)
    made.url = str(server.make_url("")).rstrip("/")
    try:
        yield made
    finally:
        made.open.set()
        await server.close()
