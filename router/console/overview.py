"""The first page: what is not delivered, and what needs attention."""

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from router.console.access import Looking, Parts
from router.console.filters import token
from router.console.pages import link, page
from router.console.reads import look
from router.ledger import queries
from router.ledger.queries import EXPIRED_LATELY_MS, Flag, Group, Overview, UnitRow
from router.ledger.reasons import Cause
from router.outages import LineState
from schemas.clock import now_ms

router = APIRouter()
_A_DAY_MS = 24 * 3_600_000


@router.get("/")
async def show_overview(request: Request, services: Parts, viewer: Looking) -> Response:
    """The figures of now, and the causes of what does not get there."""
    now = now_ms()

    def query(conn: Connection) -> tuple[Overview, list[Group], dict[LineState, int], list[UnitRow]]:
        scope = viewer.scope
        figures, groups = queries.overview(conn, scope, now_ms=now), queries.attention(conn, scope, now_ms=now)
        return figures, groups, queries.count_lines(conn, scope), queries.muted_units(conn, scope, now_ms=now)

    figures, groups, counts, muted = await look(services, query)
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
        now=now,
    )


def filter_of(group: Group, *, some_muted: bool) -> str:
    """The filter that finds a group's deliveries; with some units muted it leaves theirs out."""
    tokens = [token("is", group.cause.value)]
    if group.cause is Flag.EXPIRED:
        tokens.append(f"since:{EXPIRED_LATELY_MS // _A_DAY_MS}d")
    if some_muted:
        tokens.append(token("is", Flag.UNMUTED.value))
    return " ".join([*tokens, *why_tokens(group.why, group.reason)])


def why_tokens(why: Cause, reason: str) -> list[str]:
    """The tokens of what a group's reasons mean, or of its one reason where that is not known."""
    if why is not Cause.OTHER:
        return [token("why", why.value)]
    return [token("reason", reason)] if reason else []
