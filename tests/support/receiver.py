"""A unit's own system on a real HTTP port: notes what it gets and answers what the test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import BodyPartReader, web
from aiohttp.test_utils import TestServer

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart form."""

    name: str
    file_name: str
    media_type: str
    content: bytes


@dataclass(slots=True)
class Receiver:
    """What came, and what is answered."""

    answer: Answer
    headers: list[Mapping[str, str]] = field(default_factory=list)
    parts: list[list[Part]] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Note the request, then answer."""
        self.headers.append(dict(request.headers))
        if request.content_type == "multipart/form-data":
            self.parts.append([await _read(part) async for part in await request.multipart()])
        return await self.answer(request)


def answering(status: int, text: str = "", *, headers: Mapping[str, str] | None = None, after: float = 0.0) -> Answer:
    """Always the same answer."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(after)
        return web.Response(status=status, text=text, headers=headers)

    return answer


@asynccontextmanager
async def receiver(answer: Answer) -> AsyncIterator[Receiver]:
    """A receiver that listens on a free port at ``url``."""
    made = Receiver(answer)
    application = web.Application(client_max_size=1 << 30)
    application.router.add_route("*", "/take", made.handle)
    server = TestServer(application)
    await server.start_server()
    made.url = str(server.make_url("/take"))
    try:
        yield made
    finally:
        await server.close()


async def _read(part: object) -> Part:
    assert isinstance(part, BodyPartReader)
    content = bytes(await part.read())
    return Part(part.name or "", part.filename or "", part.headers.get("Content-Type", ""), content)
