"""The lists that can be exported: what stands in each of their rows."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from router.console.access import Auditing, FilterText, Looking, Parts
from router.console.audit import AskedFor
from router.console.exports import AT_ONCE, Sheet, pages, send, writer_for
from router.console.lines import LookBack
from router.errors import MalformedError
from router.ledger import queries
from router.ledger.acts.stuck_care import cares_of
from router.ledger.engine import reading
from router.ledger.people import audit
from router.ledger.people.persons import Right, scope_of
from router.ledger.queries import Filter
from router.ledger.redrives.decisions import Outcome
from router.ledger.redrives.reading import find_job, list_items, list_jobs
from router.pages.language import N_
from router.words import terms
from router.words.duties import DUTIES
from router.words.filters import FilterError, parse
from schemas.clock import now_ms
from schemas.codes import UnitPattern
from schemas.ids import Id

router = APIRouter()
MOST_JOBS = 1000
MOST_LINES = 100_000


@router.get("/deliveries.csv")
async def export_deliveries(request: Request, services: Parts, viewer: Looking, q: FilterText = "") -> Response:
    """The deliveries that a filter finds, the latest first."""
    now, write = now_ms(), writer_for(request, services)
    wanted = _wanted(q, now, services)
    rows = pages(
        services,
        lambda conn, last: queries.find_deliveries(
            conn, viewer.scope, wanted, now_ms=now, before=last.id if last else None, limit=AT_ONCE
        ),
    )
    columns = [
        *(write.say(name) for name in ("State", "Unit", "Unit's name", "Number", "Subject", "Issuer", "Urgency")),
        *(write.timed(name) for name in ("Accepted", "In this state since")),
        *(write.say("What is owed"), write.timed(N_("Late from"))),
        *(write.say(name) for name in ("Reason", "Document's id", "Delivery's id")),
    ]
    cells = (
        (
            *(write.state(row.state), row.unit, row.unit_name, row.notation, row.subject),
            *(row.issuer, write.urgency(row.urgency), write.at(row.created_at), write.at(row.state_at)),
            *(write.say(DUTIES[row.duty].label) if row.duty else "", write.at(row.late_at)),
            *(write.reason(row.reason, row.reason_code), row.dispatch_id, row.id),
        )
        for row in rows
    )
    return await send(write, viewer, Sheet("deliveries", columns, cells), q)


@router.get("/documents.csv")
async def export_documents(
    request: Request, services: Parts, viewer: Looking, q: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """The documents that words find, the latest first."""
    write, size = writer_for(request, services), 200

    def all_rows() -> "list[queries.DispatchRow]":
        found: list[queries.DispatchRow] = []
        cursor = None
        while True:
            with reading(services.engine) as conn:
                page = queries.list_dispatches(conn, viewer.scope, text=q.strip(), cursor=cursor, limit=size)
            found += page.items
            cursor = page.next_cursor
            if cursor is None or len(found) >= MOST_LINES:
                return found

    columns = [
        write.timed("Accepted"),
        *(write.say(name) for name in ("Number", "Subject", "Issuer", "Issuer's name", "Urgency", "Arrived")),
        *(write.say(name) for name in ("Recipients", "Document's id")),
    ]
    cells = (
        (
            *(write.at(row.accepted_at), row.notation, row.subject, row.issuer, write.name(row.issuer)),
            *(write.urgency(row.urgency), row.roll_up.arrived, row.roll_up.total, row.id),
        )
        for row in all_rows()
    )
    return await send(write, viewer, Sheet("documents", columns, cells), q)


@router.get("/documents/{dispatch_id}/recipients.csv")
async def export_recipients(
    request: Request, services: Parts, viewer: Looking, dispatch_id: Annotated[Id, Path()]
) -> Response:
    """The recipients of a document, by unit."""
    write = writer_for(request, services)
    rows = pages(
        services,
        lambda conn, last: queries.addressees(
            conn, viewer.scope, dispatch_id, after=last.delivery.unit if last else "", limit=AT_ONCE
        ),
    )
    columns = [
        *(write.say(name) for name in ("Unit", "Unit's name", "State", "Number", "Subject")),
        *(write.timed(name) for name in ("Arrived", "Registered", "Completed")),
        *(write.say(name) for name in ("Arrival number", "Reason", "Delivery's id")),
    ]
    stages = ("arrived", "registered", "completed")
    cells = (
        (
            *(item.delivery.unit, item.delivery.unit_name, write.state(item.delivery.state)),
            *(item.delivery.notation, item.delivery.subject),
            *(write.at({state.value: at for state, at in item.times.items()}.get(stage)) for stage in stages),
            *(item.register_number, write.reason(item.delivery.reason, item.delivery.reason_code), item.delivery.id),
        )
        for item in rows
    )
    return await send(write, viewer, Sheet("recipients", columns, cells), dispatch_id)


@router.get("/units.csv")
async def export_units(request: Request, services: Parts, viewer: Looking) -> Response:
    """All units that the viewer sees."""
    write = writer_for(request, services)
    rows = pages(
        services,
        lambda conn, last: queries.list_unit_rows(conn, viewer.scope, after=last.code if last else "", limit=AT_ONCE),
    )
    columns = [
        *(write.say(name) for name in ("Unit", "Unit's name", "Line", "Line's state")),
        *(write.timed(name) for name in ("Last heard of", "Paused", "Muted until")),
        *(write.say(name) for name in ("Last day", "Successor")),
    ]
    cells = (
        (
            *(row.code, row.name, write.say(terms.LINKS[row.link].label)),  # type: ignore[index]  # a Link is its text
            write.say(terms.LINE_STATES[row.line_state].label) if row.line_state else "",
            *(write.at(row.last_seen_at), write.at(row.paused_at), write.at(row.muted_until)),
            *(row.valid_to.isoformat() if row.valid_to else "", row.successor or ""),
        )
        for row in rows
    )
    return await send(write, viewer, Sheet("units", columns, cells))


@router.get("/lines.csv")
async def export_lines(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    span: LookBack = LookBack.DAY,
    unit: Annotated[UnitPattern | None, Query()] = None,
) -> Response:
    """All lines that report, with their outages within a span."""
    write, when = writer_for(request, services), span.until(now_ms())
    with reading(services.engine) as conn:
        board = queries.line_board(conn, viewer.scope, when, units=unit or "", every=True, limit=MOST_LINES)
    columns = [
        *(write.say(name) for name in ("Unit", "Unit's name", "Line's state")),
        write.timed("Since"),
        *(write.say(name) for name in ("Outages", "Down for (s)", "Observed for (s)")),
    ]
    cells = (
        (
            *(row.line.unit, row.line.name, write.say(terms.LINE_STATES[row.line.state].label)),
            *(write.at(row.line.since), row.downtime.outages, row.downtime.down_ms // 1000, row.observed_ms // 1000),
        )
        for row in board.rows
    )
    return await send(write, viewer, Sheet("lines", columns, cells), f"{span.value} {unit or ''}".strip())


@router.get("/stuck.csv")
async def export_stuck(request: Request, services: Parts, viewer: Looking) -> Response:
    """The groups of what is stuck."""
    write = writer_for(request, services)
    with reading(services.engine) as conn:
        groups = queries.stuck(conn, viewer.scope, now_ms=now_ms(), day=services.organisation.today)
        cares = cares_of(conn, viewer.scope, [group.key for group in groups])
    columns = [
        *(write.say(name) for name in ("State", "Cause", "Reason", "Below", "Unit's name", "Units", "Deliveries")),
        write.timed("Since"),
        *(write.say("Taken care of by"), write.timed("Taken care of since"), write.say("Note")),
    ]
    cells = (
        (
            *(write.state(group.state), write.cause(group.code), group.reason),
            *(group.parent, group.parent_name, group.units, group.deliveries, write.at(group.since)),
            *((care.owner, write.at(care.at), care.note) if (care := cares.get(group.key)) else ("", "", "")),
        )
        for group in groups
    )
    return await send(write, viewer, Sheet("stuck", columns, cells))


@router.get("/redrives.csv")
async def export_redrives(request: Request, services: Parts, viewer: Looking) -> Response:
    """Redrives, the latest first."""
    write = writer_for(request, services)
    with reading(services.engine) as conn:
        jobs = list_jobs(conn, viewer.scope, limit=MOST_JOBS)
    columns = [
        write.timed("Made"),
        *(write.say(name) for name in ("State", "Who", "Why", "Deliveries", "Sent again", "Arrived", "Failed")),
        write.say("Redrive"),
    ]
    cells = (
        (
            *(write.at(job.made_at), write.say(terms.JOBS[job.state].label), job.maker.name, job.reason),
            *(job.tally.total, job.tally.sent, job.tally[Outcome.ARRIVED], job.tally.failed, job.id),
        )
        for job in jobs
    )
    return await send(write, viewer, Sheet("redrives", columns, cells))


@router.get("/redrives/{redrive_id}/deliveries.csv")
async def export_redrive(
    request: Request, services: Parts, viewer: Looking, redrive_id: Annotated[Id, Path()]
) -> Response:
    """The deliveries of a redrive, in the order in which they are sent."""
    write = writer_for(request, services)
    with reading(services.engine) as conn:
        job = find_job(conn, viewer.scope, redrive_id)
    rows = pages(
        services,
        lambda conn, last: list_items(
            conn, viewer.scope, job.id, after=last.delivery_id if last else "", limit=AT_ONCE
        ),
    )
    columns = [
        *(write.say(name) for name in ("Outcome", "State", "Unit", "Unit's name", "Number")),
        write.timed("Sent again"),
        *(write.say(name) for name in ("Why", "Delivery's id")),
    ]
    cells = (
        (
            *(write.say(terms.OUTCOMES_OF_ITEMS[item.outcome].label), write.state(item.state)),
            *(item.unit, item.unit_name, item.notation, write.at(item.sent_at), item.note, item.delivery_id),
        )
        for item in rows
    )
    return await send(write, viewer, Sheet("redrive", columns, cells), redrive_id)


@router.get("/audit.csv")
async def export_audit(request: Request, services: Parts, viewer: Auditing, asked: AskedFor) -> Response:
    """Every act, the newest first, each a row."""
    if asked.problems:
        raise MalformedError("; ".join(asked.problems))
    write, scope = writer_for(request, services), scope_of(viewer.person, Right.AUDIT)
    rows = pages(
        services,
        lambda conn, last: audit.find_entries(
            conn, scope, asked.wanted, before=last.pos if last else None, limit=AT_ONCE
        ),
    )
    columns = [
        write.timed("Time"),
        *(write.say(name) for name in ("Person", "Act", "On what", "What was set", "Unit", "Unit's name", "Why")),
        *(write.say(name) for name in ("Address", N_("Job"))),
    ]
    cells = (
        (
            *(write.at(row.entry.at), row.entry.person, write.say(terms.ACTS[row.entry.act]), row.entry.subject),
            *(row.entry.detail, row.entry.unit, write.name(row.entry.unit), row.entry.reason),
            *(row.entry.address, row.entry.job),
        )
        for row in rows
    )
    return await send(write, viewer, Sheet("audit", columns, cells), " ".join(filter(None, asked.typed.values())))


def _wanted(q: str, now: int, services: Parts) -> Filter:
    try:
        return parse(q, now_ms=now, zone=services.zone).wanted
    except FilterError as error:
        raise MalformedError(str(error)) from error
