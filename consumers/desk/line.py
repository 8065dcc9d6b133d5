"""Đường truyền: how the line stands, what waits to come and to go, what to do when it is down."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from consumers.copies import key
from consumers.copies.standing import Place, standing_of
from consumers.desk.access import Looking, Parts
from consumers.desk.pages import page
from consumers.reading import inbox
from consumers.reading.coming import line_now
from consumers.spool import outbox, sending
from consumers.status import status_path
from router.pages.language import N_

router = APIRouter()
CERTIFICATES = {
    "client": N_("Certificate of this gateway"),
    "broker": N_("Certificate of the broker at the centre"),
    "origin": N_("Certificate of the web service at the centre"),
}
"""By what the gateway calls them in its status file."""


@router.get("/line")
async def show_line(request: Request, services: Parts, viewer: Looking) -> Response:
    """What the gateway last said of itself, the room on the disk, and what of the person's units waits for the line."""
    directory, units = services.spool.path.parent, viewer.units()

    def count(conn: Connection) -> dict[str, Any]:
        return {
            "waiting": inbox.count_waiting(conn, units),
            "unsent": outbox.count_unsent(conn, units),
            "outgoing": sending.count_waiting(conn, units),
            "has_key": bool(key.recipient_of(conn)),
        }

    found = await services.look(count) | await asyncio.to_thread(_read, directory)
    return page(request, viewer, "line.html", **found, PLACE=Place, certificates=CERTIFICATES)


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
