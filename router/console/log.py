"""The delivery log: every receipt, the newest first, by a filter; and its export."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection

from router.console.access import FilterText, Looking, Parts, Viewer
from router.console.exports import AT_ONCE, CellWriter, Sheet, note, pages, send, writer_for
from router.console.pages import page
from router.console.reads import look
from router.console.views import shelf_of
from router.errors import MalformedError
from router.faces import Services
from router.ledger import queries
from router.ledger.people.views import Screen
from router.ledger.queries import Filter, LogEntry
from router.ledger.scope import Scope
from router.words import terms
from router.words.filters import FilterError, Parsed, parse
from schemas.clock import iso, now_ms

PAGE = 100
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
        context["views"] = await shelf_of(services, viewer, Screen.LOG, {"q": q}, may_keep=False)
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
        views=await shelf_of(services, viewer, Screen.LOG, {"q": q}),
        older=entries[-1].pos if len(found) > PAGE else None,
        newest=entries[0].pos if entries else 0,
        directory=services.organisation.directory,
    )


@router.get("/log.csv")
async def export_csv(request: Request, services: Parts, viewer: Looking, q: FilterText = "") -> Response:
    """What the filter finds, oldest first, for a spreadsheet program."""
    return await _export(request, services, viewer, q, "csv")


@router.get("/log.ndjson")
async def export_ndjson(request: Request, services: Parts, viewer: Looking, q: FilterText = "") -> Response:
    """What the filter finds, oldest first, a JSON object per line, for another program."""
    return await _export(request, services, viewer, q, "ndjson")


async def _export(request: Request, services: Services, viewer: Viewer, q: str, kind: str) -> Response:
    now = now_ms()
    try:
        wanted = parse(q, now_ms=now, zone=services.zone, of_log=True).wanted
    except FilterError as error:
        raise MalformedError(str(error)) from error
    entries = _entries(services, viewer.scope, wanted)
    if kind == "csv":
        write = writer_for(request, services)
        return await send(write, viewer, Sheet("log", *_sheet(write, entries)), q)
    await note(services, viewer, f"log ndjson {q}".strip())
    headers = {"content-disposition": f'attachment; filename="congvan-log-{now}.ndjson"'}
    return StreamingResponse(_ndjson(entries), media_type="application/x-ndjson", headers=headers)


def _entries(services: Services, scope: Scope, wanted: Filter) -> Iterator[LogEntry]:
    """The log from its beginning."""
    return pages(
        services,
        lambda conn, last: queries.read_log(conn, scope, wanted, after=last.pos if last else 0, limit=AT_ONCE),
    )


def _sheet(write: CellWriter, entries: Iterator[LogEntry]) -> tuple[list[str], Iterator[Sequence[object]]]:
    columns = [
        write.say("Place in the log"),
        *(write.timed(name) for name in ("Recorded", "By the unit\u2019s clock")),
        *(write.say(name) for name in ("Receipt", "Effect", "Unit", "Unit's name", "Issuer", "Issuer's name")),
        *(write.say(name) for name in ("Number", "Subject", "Urgency", "Reason", "Person", "Arrival number")),
        *(write.say(name) for name in ("Attempts", "Document's id", "Delivery's id")),
    ]
    rows = (
        (
            *(entry.pos, write.at(entry.recorded_at), write.told(entry.at), write.state(entry.status)),
            *(write.say(terms.EFFECTS[entry.effect]), entry.unit, write.name(entry.unit)),
            *(entry.issuer, write.name(entry.issuer), entry.notation, entry.subject, write.urgency(entry.urgency)),
            *(write.reason(entry.reason, entry.code), entry.person, entry.register_number, entry.attempts),
            *(entry.dispatch_id, entry.delivery_id),
        )
        for entry in entries
    )
    return columns, rows


def _ndjson(entries: Iterator[LogEntry]) -> Iterator[bytes]:
    for some in batched(entries, AT_ONCE):
        yield b"".join(orjson.dumps(asdict(entry) | {"recorded_at": iso(entry.recorded_at)}) + b"\n" for entry in some)


def batched(entries: Iterator[LogEntry], size: int) -> Iterator[list[LogEntry]]:
    """The entries in lists of so many."""
    while some := list(islice(entries, size)):
        yield some
