"""Đường truyền: how the line stands, what waits to come and to go, what to do when it is down."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from consumers.copies import key
from consumers.copies.standing import Place, standing_of
from consumers.desk.access import Looking, Parts
from consumers.desk.pages import page
from consumers.reading.coming import line_now
from consumers.status import status_path

router = APIRouter()


@router.get("/line")
async def show_line(request: Request, services: Parts, viewer: Looking) -> Response:
    """What the gateway last said of itself, and the room on the disk."""
    directory = services.spool.path.parent
    context = await asyncio.to_thread(_read, directory)
    return page(
        request, viewer, "line.html", **context, PLACE=Place, has_key=bool(await services.look(key.recipient_of))
    )


def _read(directory: Path) -> dict[str, Any]:
    try:
        standing = orjson.loads(status_path(directory).read_bytes())
    except (OSError, ValueError):
        standing = {}
    return {
        "standing": standing,
        "line": line_now(directory),
        "free": shutil.disk_usage(directory).free,
        "copies": {place: standing_of(directory, place) for place in Place},
    }
