"""Reads request bodies within limits of size and silence."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import Request

from router.errors import MalformedError, StalledError, TooLargeError, UnsupportedMediaError
from router.pages import brought
from router.pages.errors import FormStalledError

MAX_JSON_BYTES = 1024 * 1024


def media_type_of(request: Request) -> str:
    """The body's media type without its parameters.

    Raises:
        UnsupportedMediaError: the body is compressed: offsets and hashes are those of the bytes themselves.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise UnsupportedMediaError(f"the body has the encoding {encoding[:40]!r}; send it plain")
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def length_of(request: Request) -> int:
    """The body's length in bytes as its head says it; 0 when it does not.

    Raises:
        MalformedError: what it says is no length.
    """
    text = request.headers.get("content-length", "0")
    if not (text.isascii() and text.isdecimal()):
        raise MalformedError("Content-Length is not a number")
    return int(text)


async def chunks_of(request: Request, *, idle: float) -> AsyncIterator[bytes]:
    """The body as it comes.

    There is no limit on the whole time: slow lines are what this service is for.

    Args:
        request: whose body.
        idle: seconds without a byte after which it is given up.

    Raises:
        StalledError: nothing came for so long.
    """
    try:
        async for chunk in brought.chunks_of(request.stream(), idle=idle):
            yield chunk
    except FormStalledError as error:
        raise StalledError(error.detail) from None


async def gathered(chunks: AsyncIterator[bytes], *, most: int, seconds: float) -> AsyncIterator[bytes]:
    """Chunks joined: what has come within so many seconds, or so many bytes.

    A line that goes silent keeps nothing back: what came before is given out when its time is over. So is what came
    before an error.
    """
    clock = asyncio.get_running_loop().time
    buffer, due = bytearray(), 0.0
    coming = asyncio.create_task(_next(chunks))
    try:
        while True:
            await asyncio.wait([coming], timeout=max(due - clock(), 0.0) if buffer else None)
            chunk = coming.result() if coming.done() and coming.exception() is None else None
            if chunk:
                due = due if buffer else clock() + seconds
                buffer += chunk
                coming = asyncio.create_task(_next(chunks))
            if buffer and (not chunk or len(buffer) >= most or clock() >= due):
                yield bytes(buffer)
                buffer.clear()
            if coming.done() and not coming.result():
                return
    finally:
        coming.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await coming


async def _next(chunks: AsyncIterator[bytes]) -> bytes:
    """The next chunk, or none."""
    return await anext(chunks, b"")


async def json_of(request: Request, *, idle: float) -> bytes:
    """A JSON body, whole.

    Raises:
        UnsupportedMediaError: the body is something else.
        TooLargeError: it has more than 1 MiB.
        StalledError: nothing came for so long.
    """
    if media_type_of(request) != "application/json":
        raise UnsupportedMediaError("the body has to be application/json")
    _limit_json(length_of(request))
    body = bytearray()
    async for chunk in chunks_of(request, idle=idle):
        body += chunk
        _limit_json(len(body))
    return bytes(body)


def _limit_json(size: int) -> None:
    if size > MAX_JSON_BYTES:
        raise TooLargeError(f"the JSON body has more than {MAX_JSON_BYTES} bytes")
