"""The headers of the resumable-upload protocol tus 1.0.0 (https://tus.io/protocols/resumable-upload, 1.0.x).

Every request under ``/api/v1/uploads`` but OPTIONS says the version, every answer does, errors too: that is this
module's middleware. The extensions are creation, expiration and termination. There is no checksum of single requests:
a content is verified whole, by the SHA-256 that names it, and a wrong one is answered 460 as that extension has it.
"""

import base64
import binascii
from email.utils import formatdate

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from router.api import problems
from router.content.uploads import Upload
from router.errors import MalformedError, UnsupportedMediaError, VersionError
from router.problem import problem_of

ROOT = "/api/v1/uploads"
VERSION = "1.0.0"
EXTENSIONS = "creation,expiration,termination"
PATCH_TYPE = "application/offset+octet-stream"
MAX_METADATA = 4096
_METHODS = frozenset({"HEAD", "PATCH", "DELETE"})


class Tus:
    """ASGI middleware over the paths of uploads: version, override of the method, header of every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through, or answer 412 when it speaks another version."""
        if scope["type"] != "http" or not f"{scope['path']}/".startswith(f"{ROOT}/"):
            await self._app(scope, receive, send)
            return

        async def versioned(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Tus-Resumable"] = VERSION
            await send(message)

        headers = Headers(scope=scope)
        if scope["method"] != "OPTIONS" and headers.get("tus-resumable") != VERSION:
            error = VersionError(f"the request says Tus-Resumable: {headers.get('tus-resumable', '(nothing)')[:20]}")
            told = problems.answer(problem_of(error, path=scope["path"]), {"Tus-Version": VERSION})
            await told(scope, receive, versioned)
            return
        override = headers.get("x-http-method-override", "").upper()
        if scope["method"] == "POST" and override in _METHODS:
            scope = {**scope, "method": override}
        await self._app(scope, receive, versioned)


def capabilities(max_size: int) -> dict[str, str]:
    """The headers that say what is spoken here."""
    return {"Tus-Version": VERSION, "Tus-Extension": EXTENSIONS, "Tus-Max-Size": str(max_size)}


def headers_of(upload: Upload) -> dict[str, str]:
    """How far an upload has come, and until when it is kept."""
    return {
        "Upload-Offset": str(upload.offset),
        "Upload-Expires": formatdate(upload.expires_at, usegmt=True),
    }


def number_in(headers: Headers, name: str) -> int:
    """A header that is a count of bytes.

    Raises:
        MalformedError: it is missing or no such count.
    """
    text = headers.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):  # noqa: PLR2004 - what fits into 64 bits
        raise MalformedError(f"{name} has to be a number of bytes, not {text[:40]!r}")
    return int(text)


def require_patch_type(headers: Headers) -> None:
    """Check the media type of a PATCH.

    Raises:
        UnsupportedMediaError: it is another.
    """
    given = headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != PATCH_TYPE or headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedMediaError(f"the bytes of an upload come plain, as {PATCH_TYPE}")


def metadata_in(header: str) -> dict[str, str]:
    """The pairs of ``Upload-Metadata``: keys, and values in base64, separated by commas; a value may be left out.

    Raises:
        MalformedError: it is no such list.
    """
    if len(header) > MAX_METADATA:
        raise MalformedError(f"Upload-Metadata has more than {MAX_METADATA} characters")
    found: dict[str, str] = {}
    for pair in filter(None, map(str.strip, header.split(","))):
        key, _, value = pair.partition(" ")
        if key in found or not key.isascii():
            raise MalformedError(f"Upload-Metadata has the key {key[:40]!r} twice, or it is not ASCII")
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, ValueError) as error:
            raise MalformedError(f"the value of {key[:40]!r} in Upload-Metadata is no text in base64") from error
    return found
