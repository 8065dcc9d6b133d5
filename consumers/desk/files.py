"""The files of a document: verified, shown in the page where that is safe, else downloaded; never run as our origin."""

import hashlib
import mimetypes
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi import Path as InPath
from fastapi.responses import FileResponse
from sqlalchemy import Connection

from consumers.desk.access import Looking, Parts
from consumers.errors import ContentNotKeptError
from consumers.fetching.content import DIRECTORY_NAME
from consumers.reading.handling import looked_at
from consumers.reading.readable import readable_files
from schemas.attachment import TravellingAttachment

_NOT_MODIFIED = 304
_PDF, _BYTES = "application/pdf", "application/octet-stream"
SHOWN = frozenset({_PDF, "image/png", "image/jpeg", "image/gif", "image/webp"})
"""What a browser shows by itself and runs nothing of; all else is saved by its name."""
_NOTHING_RUNS = (
    "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; object-src 'self'; frame-ancestors 'self'"
)
router = APIRouter()


@router.get("/incoming/{delivery_id}/files/{number}")
async def show_file(
    request: Request,
    services: Parts,
    viewer: Looking,
    delivery_id: str,
    number: Annotated[int, InPath(ge=1, le=10_000)],
) -> Response:
    """One file of a document, by its place among them."""
    units = viewer.units()

    def read(conn: Connection) -> tuple[bool, tuple[TravellingAttachment, ...]]:
        entry, _, _ = looked_at(conn, delivery_id, units)
        return entry.secret, readable_files(conn, entry)

    secret, files = await services.look(read)
    if number > len(files):
        raise ContentNotKeptError(f"the document has {len(files)} files")
    return file_answer(request, services.spool.path.parent, files[number - 1], secret=secret)


def file_answer(request: Request, data_dir: Path, file: TravellingAttachment, *, secret: bool = False) -> Response:
    """A file, shown in the page where that is safe.

    A browser may keep it and yet asks each time, whoever sits there then; of a secret it keeps nothing.

    Raises:
        ContentNotKeptError: it is not kept here.
    """
    media_type = media_type_of(file)
    is_shown = media_type in SHOWN
    etag = f'"{file.sha256}"'
    headers = {
        "content-disposition": f"{'inline' if is_shown else 'attachment'}; filename*=UTF-8''{quote(file.name)}",
        # A browser's own viewer of PDF does not work in a sandbox; it runs nothing as our origin.
        "content-security-policy": _NOTHING_RUNS if media_type == _PDF else f"{_NOTHING_RUNS}; sandbox",
        "x-content-type-options": "nosniff",
        "x-frame-options": "SAMEORIGIN",
        "vary": "cookie",
        "cache-control": "no-store",
    }
    if not secret:
        headers |= {"cache-control": "private, no-cache", "etag": etag}
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=_NOT_MODIFIED, headers=headers)
    served = media_type if is_shown else _BYTES
    if file.inline is not None:
        return Response(file.inline, media_type=served, headers=headers)
    return FileResponse(_kept(data_dir, file), media_type=served, headers=headers)


def media_type_of(file: TravellingAttachment) -> str:
    """What a file is, by what its issuer says, or else by its name."""
    return file.media_type if file.media_type != _BYTES else mimetypes.guess_type(file.name)[0] or _BYTES


def frame_of(file: TravellingAttachment) -> str:
    """How a file is shown in its document's page: ``image`` in a sandbox, ``pdf`` by the browser; empty: it is not."""
    media_type = media_type_of(file)
    return "" if media_type not in SHOWN else "pdf" if media_type == _PDF else "image"


def is_right(data_dir: Path, file: TravellingAttachment) -> bool | None:
    """Whether a file has the bytes that its hash names, read now; None: it is not kept here."""
    if file.inline is not None:
        return hashlib.sha256(file.inline).hexdigest() == file.sha256
    try:
        with _kept(data_dir, file).open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
    except (ContentNotKeptError, OSError):
        return None


def _kept(data_dir: Path, file: TravellingAttachment) -> Path:
    """The file in the spool, which has it under its hash.

    Raises:
        ContentNotKeptError: it is not there: not yet, or handed to a folder and not kept.
    """
    path = data_dir / DIRECTORY_NAME / file.sha256
    if not path.is_file():
        raise ContentNotKeptError(f"{file.name} is not kept here: it has not come yet, or lies in the inbox folder")
    return path
