"""What comes back to a question: an answer of the router's within limits, why it gives none, or trouble on the way."""

import zlib
from http import HTTPStatus

import aiohttp
import orjson
from pydantic import ValidationError

from consumers.asking.told import read_told
from consumers.errors import ForeignAnswerError, ServerTroubleError
from consumers.fetching.answers import REFUSED, Meaning, foreign, is_problem, meaning
from consumers.spool.questions import MOST_UNPACKED, Answered, OpenQuestion
from schemas.model import problems_of

MOST_PACKED = 128 * 1024
"""Bytes of an answer as it travels: half a minute of the thinnest line."""
PACKED = {"Accept-Encoding": "gzip"}
_FINAL = REFUSED | {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}
_GZIP = 16 + zlib.MAX_WBITS
_SHOWN = 500


async def read_answer(question: OpenQuestion, response: aiohttp.ClientResponse) -> Answered:
    """What an answer says.

    Raises:
        ServerTroubleError: the router cannot answer now, or says more than is taken.
        ForeignAnswerError: it is not the router that answered.
    """
    if response.status == HTTPStatus.NOT_MODIFIED and question.etag:
        return Answered(question.pos)
    if response.status != HTTPStatus.OK:
        return await _refused(question, response)
    if response.content_type != "application/json":
        raise ForeignAnswerError(foreign(response.status, response.headers))
    body = await _body(response)
    try:
        read_told(question.kind, body)
    except ValidationError as error:
        problem = problems_of(error)[0]
        told = f"the answer to a question of {question.kind.value} is none: {problem.field}: {problem.problem}"
        raise ForeignAnswerError(told) from error
    return Answered(question.pos, body, response.headers.get("ETag", ""))


async def _refused(question: OpenQuestion, response: aiohttp.ClientResponse) -> Answered:
    ours = is_problem(response.headers)
    match meaning(response.status, ours=ours, final=_FINAL):
        case Meaning.FINAL:
            return Answered(question.pos, problem=_words_of(await _body(response)))
        case Meaning.LATER:
            raise ServerTroubleError(f"the server answered {response.status} to a question")
        case _:
            raise ForeignAnswerError(foreign(response.status, response.headers))


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """The body, unpacked within limits.

    Raises:
        ServerTroubleError: it is longer, or damaged.
    """
    packed = bytearray()
    async for chunk in response.content.iter_any():
        packed += chunk
        if len(packed) > MOST_PACKED:
            raise ServerTroubleError(f"an answer has more than {MOST_PACKED} bytes")
    if response.headers.get("Content-Encoding", "") != "gzip":
        return bytes(packed)
    unpacking = zlib.decompressobj(_GZIP)
    try:
        body = unpacking.decompress(bytes(packed), MOST_UNPACKED)
    except zlib.error as error:
        raise ServerTroubleError(f"an answer came damaged: {error}") from error
    if not unpacking.eof:
        raise ServerTroubleError(f"an answer unpacks to more than {MOST_UNPACKED} bytes, or is cut off")
    return body


def _words_of(body: bytes) -> str:
    """Why the router gives no answer, as its problem document says."""
    try:
        told = orjson.loads(body)
        return str(told.get("detail") or told["title"])[:_SHOWN]
    except (orjson.JSONDecodeError, KeyError, AttributeError):
        return "the router gave no reason"
