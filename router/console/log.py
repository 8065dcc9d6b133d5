"""The delivery log: every receipt, the newest first, by a filter; and its export."""

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, tzinfo
from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection

from router.api.services import Services
from router.console.access import FilterText, Looking, Parts, Viewer
from router.console.filters import FilterError, Parsed, parse
from router.console.pages import page
from router.console.reads import change, look
from router.errors import MalformedError
from router.ledger import audit, queries
from router.ledger.audit import Act, Entry
from router.ledger.engine import reading
from router.ledger.queries import Filter, LogEntry
from router.ledger.scope import Scope
from schemas.clock import iso, now_ms

PAGE = 100
_AT_ONCE = 1000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_BOM = "\ufeff"
"""Spreadsheet programs take UTF-8 for what it is only with it."""
_COLUMNS = (
    *("pos", "recorded_at", "at", "status", "effect", "unit", "issuer", "notation", "dispatch_id", "delivery_id"),
    *("urgency", "reason", "person", "register_number", "attempts"),
)

router = APIRouter()
Place = Annotated[int | None, Query(ge=0, lt=2**53)]


@router.get("/log")
async def show_log(
    request: Request, services: Parts, viewer: Looking, q: FilterText = "", before: Place = None
) -> Response:
    """A page of the log; the first one goes on by itself where there is JavaScript."""
    try:
        parsed = parse(q, now_ms=now_ms(), zone=services.zone, of_log=True)
    except FilterError as error:
        context = {"entries": [], "problems": error.problems, "parsed": Parsed(Filter(), ())}
        return page(request, viewer, "log.html", status=422, q=q, before=before, older=None, newest=None, **context)

    def query(conn: Connection) -> list[LogEntry]:
        return queries.read_log(conn, viewer.scope, parsed.wanted, before=before, limit=PAGE + 1)

    found = await look(services, query)
    entries = found[-PAGE:][::-1]
    return page(
        request,
        viewer,
        "log.html",
        q=q,
        before=before,
        parsed=parsed,
        problems=(),
        entries=entries,
        older=entries[-1].pos if len(found) > PAGE else None,
        newest=entries[0].pos if entries else 0,
        directory=services.organisation.directory,
    )


@router.get("/log.csv")
async def export_csv(services: Parts, viewer: Looking, q: FilterText = "") -> Response:
    """What the filter finds, oldest first, for a spreadsheet program."""
    return await _export(services, viewer, q, "csv")


@router.get("/log.ndjson")
async def export_ndjson(services: Parts, viewer: Looking, q: FilterText = "") -> Response:
    """What the filter finds, oldest first, a JSON object per line, for another program."""
    return await _export(services, viewer, q, "ndjson")


async def _export(services: Services, viewer: Viewer, q: str, kind: str) -> Response:
    now = now_ms()
    try:
        wanted = parse(q, now_ms=now, zone=services.zone, of_log=True).wanted
    except FilterError as error:
        raise MalformedError(str(error)) from error
    entry = Entry(
        now, viewer.person.name, Act.EXPORTED, f"{kind} {q}".strip(), viewer.person.home, address=viewer.address
    )
    await change(services, lambda conn: audit.record(conn, entry))
    pages = _pages(services, viewer.scope, wanted)
    name = f"congvan-log-{now}.{kind}"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    if kind == "csv":
        return StreamingResponse(_csv(pages, services.zone), media_type="text/csv; charset=utf-8", headers=headers)
    return StreamingResponse(_ndjson(pages), media_type="application/x-ndjson", headers=headers)


def _pages(services: Services, scope: Scope, wanted: Filter) -> Iterator[list[LogEntry]]:
    """The log from its beginning, each page read by itself, so that a slow caller holds no transaction."""
    place = 0
    while True:
        with reading(services.engine) as conn:
            entries = queries.read_log(conn, scope, wanted, after=place, limit=_AT_ONCE)
        if not entries:
            return
        yield entries
        place = entries[-1].pos


def _csv(pages: Iterator[list[LogEntry]], zone: tzinfo) -> Iterator[str]:
    yield _BOM + _csv_lines([_COLUMNS])
    for entries in pages:
        yield _csv_lines([_inert(entry, zone) for entry in entries])


def _csv_lines(rows: object) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)  # type: ignore[arg-type]
    return text.getvalue()


def _inert(entry: LogEntry, zone: tzinfo) -> list[str]:
    """The cells of a row; none of them is a formula, which a spreadsheet program would run (OWASP, CSV injection)."""
    values = asdict(entry) | {"recorded_at": _local(entry.recorded_at, zone)}
    cells = [str(values[name]) for name in _COLUMNS]
    return [f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells]


def _local(ms: int, zone: tzinfo) -> str:
    return datetime.fromtimestamp(ms / 1000, zone).isoformat(timespec="milliseconds")


def _ndjson(pages: Iterator[list[LogEntry]]) -> Iterator[bytes]:
    for entries in pages:
        yield b"".join(
            orjson.dumps(asdict(entry) | {"recorded_at": iso(entry.recorded_at)}) + b"\n" for entry in entries
        )
