"""What will not go by itself, by reason and parent, and who takes care of it; the redrives that are not ended yet."""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from router.console.access import Looking, Parts
from router.console.overview import why_tokens
from router.console.pages import page
from router.console.reads import look
from router.console.views import shelf_of
from router.ledger import queries
from router.ledger.acts.stuck_care import Care, cares_of
from router.ledger.people.views import Screen
from router.ledger.queries import Flag, StuckGroup, StuckKey
from router.ledger.recovery import forgotten
from router.ledger.recovery.forgotten import Forgotten
from router.ledger.redrives.decisions import ENDED, JobState
from router.ledger.redrives.reading import RedriveJob, list_jobs
from router.words.filters import token
from schemas.clock import now_ms
from schemas.codes import UnitPattern

_OPEN = [state for state in JobState if state not in ENDED]
_JOBS = 10
router = APIRouter()
Below = Annotated[UnitPattern | str, Query(max_length=110)]


@router.get("/stuck")
async def show_stuck(request: Request, services: Parts, viewer: Looking, unit: Below = "") -> Response:
    """Groups by reason and parent, each a way to its redrive and to who takes care of it; all, or below units."""
    below = unit.strip().upper()

    def query(conn: Connection) -> tuple[list[StuckGroup], Mapping[StuckKey, Care], list[RedriveJob], Forgotten]:
        scope = viewer.scope
        groups = queries.stuck(conn, scope, now_ms=now_ms(), day=services.organisation.today, units=below)
        cares = cares_of(conn, scope, [group.key for group in groups])
        jobs = list_jobs(conn, scope, only=_OPEN, limit=_JOBS)
        return groups, cares, jobs, forgotten.summary(conn, scope)

    groups, cares, jobs, lost = await look(services, query)
    alike = Counter(group.key for group in groups)
    found = [(group, filter_of(group, told_apart=alike[group.key] > 1), cares.get(group.key)) for group in groups]
    views = await shelf_of(services, viewer, Screen.STUCK, {"unit": below})
    return page(request, viewer, "stuck.html", groups=found, jobs=jobs, forgotten=lost, below=below, views=views)


def filter_of(group: StuckGroup, *, told_apart: bool) -> str:
    """The filter that finds a group; ``told_apart``: another one differs from it by its units' being muted alone."""
    if group.gone:
        return token("unit", group.parent)
    tokens = [token("state", group.state.value), token("unit", group.parent), token("unit", f"{group.parent}.*")]
    if told_apart:
        tokens.append(token("is", Flag.MUTED.value if group.muted else Flag.UNMUTED.value))
    return " ".join([*tokens, *why_tokens(group.reason, group.code)])
