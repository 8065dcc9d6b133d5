"""The router's uploads as a gateway uses them: the requests of tus 1.0.0, and what each answer means.

aiotus, the library for aiohttp, was read and not taken: its pieces have one size for a whole upload, cannot be ended
for more urgent work, wait without limit on a line that takes no bytes, and its errors keep nothing of the answer.
"""

import base64
from collections.abc import Mapping
from http import HTTPStatus

import aiohttp
from pydantic import BaseModel, TypeAdapter, ValidationError

from consumers.errors import (
    ForeignAnswerError,
    GatewayError,
    OutgoingRejectedError,
    ServerTroubleError,
    UploadDamagedError,
    UploadsLostError,
)
from consumers.fetching.answers import REFUSED, Meaning, foreign, is_problem, meaning

VERSION = {"Tus-Resumable": "1.0.0"}
CHECKSUM_MISMATCH = 460
"""The status for bytes that are not those of the hash (tus 1.0, extension checksum)."""


class _Field(BaseModel):
    field: str
    problem: str


class _Problem(BaseModel):
    """What we need of a problem document (RFC 9457)."""

    type: str = ""
    title: str = ""
    detail: str = ""
    hint: str = ""
    errors: list[_Field] = []


_PROBLEM = TypeAdapter(_Problem)


def announcement(sha256: str, size: int) -> dict[str, str]:
    """The headers by which an upload begins, or is found where it was."""
    name = base64.b64encode(sha256.encode()).decode()
    return VERSION | {"Upload-Length": str(size), "Upload-Metadata": f"sha256 {name}"}


def offset_of(response: aiohttp.ClientResponse, *, size: int) -> int:
    """The offset that an answer gives.

    Raises:
        ServerTroubleError: it gives none that can be right.
    """
    text = response.headers.get("Upload-Offset", "")
    if not (text.isascii() and text.isdecimal()) or int(text) > size:
        raise ServerTroubleError(f"the server answered {response.status} with the offset {text[:20]!r} of {size}")
    return int(text)


def is_ours(headers: Mapping[str, str]) -> bool:
    """Whether an answer is the router's: it says the protocol's version, or it is a problem document."""
    return "Tus-Resumable" in headers or is_problem(headers)


async def require(
    response: aiohttp.ClientResponse, expected: int, *, conflict: bool = False, ours: bool | None = None
) -> None:
    """Check that an answer is what was asked for.

    Args:
        response: whose.
        expected: the status.
        conflict: a conflict is final, not a request that overtook this one.
        ours: whether it is the router's; None: as its headers say.

    Raises:
        GatewayError: it is something else, see :func:`meaning_of`.
    """
    own = is_ours(response.headers) if ours is None else ours
    if response.status != expected or not own:
        said = await response.read() if own else b""
        raise meaning_of(response.status, said, headers=response.headers, conflict=conflict, ours=own)


def meaning_of(
    status: int, body: bytes, *, ours: bool, conflict: bool = False, headers: Mapping[str, str] | None = None
) -> GatewayError:
    """What an answer means that is not the one expected: try again, begin again, or ask a person."""
    final = {*REFUSED, HTTPStatus.CONFLICT} if conflict else REFUSED
    what = meaning(status, ours=ours, final={*final, CHECKSUM_MISMATCH})
    if what is Meaning.FOREIGN:
        return ForeignAnswerError(foreign(status, headers or {}))
    told = _told(status, body)
    said = _sentence(told) or f"the server answered {status}"
    if status == CHECKSUM_MISMATCH:
        return UploadDamagedError(said)
    if told.type.endswith(":unknown-attachment"):
        return UploadsLostError(said)
    return OutgoingRejectedError(said) if what is Meaning.FINAL else ServerTroubleError(said)


def _told(status: int, body: bytes) -> _Problem:
    try:
        return _PROBLEM.validate_json(body)
    except ValidationError:
        return _Problem(title=f"the server answered {status}")


def _sentence(told: _Problem) -> str:
    fields = "; ".join(f"{item.field}: {item.problem}" for item in told.errors)
    return "; ".join(filter(None, (told.detail or told.title, fields, told.hint)))
