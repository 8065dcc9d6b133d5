"""A document: its header, and the matrix of its recipients by the organisation's tree."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy import Connection

from router.console.access import Looking, Parts
from router.console.pages import page
from router.console.reads import look
from router.errors import NotFoundError
from router.ledger import queries
from router.ledger.queries import Addressee, DispatchDetail
from schemas.codes import UnitCode, parent_of
from schemas.dispatch import Submission
from schemas.ids import Id
from schemas.states import Status

PAGE = 300
STAGES = (Status.QUEUED, Status.TAKEN, Status.ARRIVED, Status.REGISTERED, Status.COMPLETED)
"""The columns of the matrix."""
router = APIRouter()


@dataclass(frozen=True, slots=True)
class Branch:
    """Recipients below one head, with how many of all below it have the document."""

    head: str
    rows: Sequence[Addressee]
    arrived: int
    total: int


@router.get("/documents/{dispatch_id}")
async def show_document(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    dispatch_id: Annotated[Id, Path()],
    state: Annotated[list[Status], Query()] = [],  # noqa: B006 - read only
    after: Annotated[UnitCode | None, Query()] = None,
) -> Response:
    """The document with a page of its recipients."""

    def query(conn: Connection) -> tuple[DispatchDetail | None, Mapping[str, Status], list[Addressee]]:
        scope = viewer.scope
        found = queries.find_dispatch(conn, scope, dispatch_id)
        states = queries.states_of_units(conn, scope, dispatch_id)
        rows = queries.addressees(conn, scope, dispatch_id, states=state, after=after or "", limit=PAGE + 1)
        return found, states, rows

    found, states, rows = await look(services, query)
    if found is None:
        raise NotFoundError(f"there is no document {dispatch_id} that you may see")
    following = rows[PAGE - 1].delivery.unit if len(rows) > PAGE else None
    return page(
        request,
        viewer,
        "document.html",
        detail=found,
        submission=Submission.model_validate_json(found.submission),
        branches=branches_of(rows[:PAGE], states),
        counts={status: found.row.roll_up.counts[status] for status in Status if status in found.row.roll_up.counts},
        stages=STAGES,
        chosen=state,
        after=after,
        following=following,
        directory=services.organisation.directory,
    )


def branches_of(rows: Iterable[Addressee], states: Mapping[str, Status]) -> list[Branch]:
    """Rows in the order of the tree, together with those that stand below the same head.

    Args:
        rows: a page of recipients by unit code.
        states: of all recipients; a unit with recipients below it heads them.
    """
    heads = {parent_of(code) for code in states}

    def head_of(code: str) -> str:
        return code if code in heads else parent_of(code) or code

    totals: dict[str, list[Status]] = {}
    for code, state in states.items():
        totals.setdefault(head_of(code), []).append(state)
    return [
        Branch(head, list(some), sum(state in queries.ARRIVED for state in totals[head]), len(totals[head]))
        for head, some in groupby(rows, key=lambda row: head_of(row.delivery.unit))
    ]
