"""What will not go by itself, by reason and parent; and the redrives that are not ended yet."""

from collections import Counter

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from router.console.access import Looking, Parts
from router.console.overview import why_tokens
from router.console.pages import page
from router.console.reads import look
from router.ledger import queries
from router.ledger.queries import Flag, StuckGroup
from router.ledger.recovery import forgotten
from router.ledger.recovery.forgotten import Forgotten
from router.ledger.redrives.decisions import ENDED, JobState
from router.ledger.redrives.reading import Job, list_jobs
from router.words.filters import token
from schemas.clock import now_ms, today
from schemas.states import Status

_OPEN = [state for state in JobState if state not in ENDED]
_JOBS = 10
router = APIRouter()


@router.get("/stuck")
async def show_stuck(request: Request, services: Parts, viewer: Looking) -> Response:
    """Groups by reason and parent, each a way to its redrive."""

    def query(conn: Connection) -> tuple[list[StuckGroup], list[Job], Forgotten]:
        jobs = list_jobs(conn, viewer.scope, only=_OPEN, limit=_JOBS)
        found = queries.stuck(conn, viewer.scope, now_ms=now_ms(), day=today(services.timezone))
        return found, jobs, forgotten.summary(conn, viewer.scope)

    groups, jobs, lost = await look(services, query)
    alike = Counter(map(_likeness, groups))
    found = [(group, filter_of(group, told_apart=alike[_likeness(group)] > 1)) for group in groups]
    return page(request, viewer, "stuck.html", groups=found, jobs=jobs, forgotten=lost)


def filter_of(group: StuckGroup, *, told_apart: bool) -> str:
    """The filter that finds a group; ``told_apart``: another one differs from it by its units' being muted alone."""
    if group.gone:
        return token("unit", group.parent)
    tokens = [token("state", group.state.value), token("unit", group.parent), token("unit", f"{group.parent}.*")]
    if told_apart:
        tokens.append(token("is", Flag.MUTED.value if group.muted else Flag.UNMUTED.value))
    return " ".join([*tokens, *why_tokens(group.reason, group.code)])


def _likeness(group: StuckGroup) -> tuple[Status, str, str, str]:
    return group.state, group.code, "" if group.code else group.reason, group.parent
