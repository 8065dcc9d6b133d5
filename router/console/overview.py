"""The first page: what is not delivered, what needs attention, and what goes on today."""

from collections.abc import Sequence

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from router.console.access import Looking, Parts, Viewer
from router.console.pages import link, page
from router.console.reads import look
from router.delivery.certificate_watch import CertificateEnd
from router.faces import Services
from router.ledger import queries
from router.ledger.queries import EXPIRED_LATELY_MS, Flag, Group, Overview, Today, UnitRow
from router.ledger.recovery import forgotten
from router.ledger.recovery.forgotten import Forgotten
from router.ledger.redrives.decisions import ENDED, JobState
from router.ledger.redrives.reading import RedriveJob, list_jobs
from router.ledger.units import gateways
from router.ledger.units.gateways import SpoolRow
from router.rules.outages import LineState
from router.tls.certificates import SOON_DAYS
from router.words.filters import token
from schemas.clock import now_ms, start_of_day

router = APIRouter()
_A_DAY_MS = 24 * 3_600_000
_MOST_URGENT, _MOST_JOBS, _MOST_CERTIFICATES = 12, 5, 50
_GOING_ON = [state for state in JobState if state not in ENDED]


@router.get("/")
async def show_overview(request: Request, services: Parts, viewer: Looking) -> Response:
    """The figures of now, and the causes of what does not get there."""
    now = now_ms()

    def query(
        conn: Connection,
    ) -> tuple[Overview, list[Group], dict[LineState, int], list[UnitRow], Forgotten, list[SpoolRow]]:
        scope = viewer.scope
        soon = gateways.ending(conn, scope, before=now + SOON_DAYS * _A_DAY_MS, limit=_MOST_CERTIFICATES)
        figures, groups = queries.overview(conn, scope, now_ms=now), queries.attention(conn, scope, now_ms=now)
        counts, muted = queries.count_lines(conn, scope), queries.muted_units(conn, scope, now_ms=now)
        return figures, groups, counts, muted, forgotten.summary(conn, scope), soon

    figures, groups, counts, muted, lost, soon = await look(services, query)
    return page(
        request,
        viewer,
        "overview.html",
        figures=figures,
        causes=[(group, link("/deliveries", q=filter_of(group, some_muted=bool(muted)))) for group in groups],
        parked_calls=any(group.cause is Flag.PARKED for group in groups),
        muted=muted,
        lines=sum(counts.values()),
        lines_down=counts[LineState.DOWN],
        incident=queries.is_incident(counts),
        forgotten=lost,
        ending=soon,
        own_ending=_own_ending(services, viewer, now),
        now=now,
    )


@router.get("/today")
async def show_today(request: Request, services: Parts, viewer: Looking) -> Response:
    """What goes on today; the overview fetches it by itself, so that its figures never wait for it."""
    now = now_ms()
    since = start_of_day(now, services.timezone)

    def query(conn: Connection) -> tuple[Today, list[RedriveJob]]:
        scope = viewer.scope
        found = queries.today(conn, scope, since=since, now_ms=now, limit=_MOST_URGENT)
        return found, list_jobs(conn, scope, only=_GOING_ON, limit=_MOST_JOBS)

    found, jobs = await look(services, query)
    return page(request, viewer, "today.html", today=found, jobs=jobs, most=_MOST_URGENT, now=now)


def _own_ending(services: Services, viewer: Viewer, now: int) -> Sequence[CertificateEnd]:
    """The router's certificates that end soon, for who sees the whole."""
    watch = services.certificates
    return () if watch is None or viewer.sees_part else watch.ending_soon(now)


def filter_of(group: Group, *, some_muted: bool) -> str:
    """The filter that finds a group's deliveries; with some units muted it leaves theirs out."""
    tokens = [token("is", group.cause.value)]
    if group.cause is Flag.EXPIRED:
        tokens.append(f"since:{EXPIRED_LATELY_MS // _A_DAY_MS}d")
    if some_muted:
        tokens.append(token("is", Flag.UNMUTED.value))
    return " ".join([*tokens, *(() if group.cause is Flag.NOT_HANDED_OVER else why_tokens(group.reason, group.code))])


def why_tokens(reason: str, code: str) -> list[str]:
    """The tokens of the code of a group's reasons, or of its one reason where it has none."""
    if code:
        return [token("why", code)]
    return [token("reason", reason)] if reason else []
