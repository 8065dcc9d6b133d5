"""A document: its header, and the matrix of its recipients by the organisation's tree."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy import Connection

from router.console.access import Looking, Parts, Viewer
from router.console.pages import page
from router.console.reads import look
from router.directory import Directory, LeftOut, resolve
from router.errors import AddressingError, NotFoundError
from router.ledger import queries
from router.ledger.people.persons import Right
from router.ledger.queries import Addressee, DispatchDetail, RecallStanding
from router.words.filters import token
from schemas.codes import UnitCode, covers, is_within, parent_of
from schemas.dispatch import Submission
from schemas.ids import Id
from schemas.states import Status

PAGE = 30
"""Recipients of a page; the heads with their counts stand above them."""
MOST_LEFT_OUT = 500
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


_Read = tuple[DispatchDetail | None, Mapping[str, Status], list[Addressee], list[RecallStanding]]


@router.get("/documents/{dispatch_id}")
async def show_document(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    dispatch_id: Annotated[Id, Path()],
    state: Annotated[list[Status], Query()] = [],  # noqa: B006 - read only
    after: Annotated[UnitCode | None, Query()] = None,
    below: Annotated[UnitCode | None, Query()] = None,
) -> Response:
    """The document with a page of its recipients, all or those below one head."""

    def query(conn: Connection) -> _Read:
        scope = viewer.scope
        found = queries.find_dispatch(conn, scope, dispatch_id)
        states = queries.states_of_units(conn, scope, dispatch_id)
        rows = queries.addressees(
            conn, scope, dispatch_id, states=state, units=_tree(below), after=after or "", limit=PAGE + 1
        )
        return found, states, rows, queries.recalls_of(conn, scope, dispatch_id)

    found, states, rows, recalls = await look(services, query)
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
        heads=heads_of(states),
        listed=sum(
            (not state or status in state) and (below is None or is_within(code, below))
            for code, status in states.items()
        ),
        below=below,
        q=filter_of(dispatch_id, state, below),
        recalls=recalls,
        is_own=viewer.person.may(Right.SEND, found.row.issuer),
        may_redrive=viewer.may_act and any(status in queries.REDRIVABLE for status in states.values()),
        chosen=state,
        after=after,
        following=following,
        directory=services.organisation.directory,
    )


@router.get("/documents/{dispatch_id}/left-out")
async def show_left_out(
    request: Request, services: Parts, viewer: Looking, dispatch_id: Annotated[Id, Path()]
) -> Response:
    """Who is no recipient though a rule names them, and why: by the organisation that is known, on the day it came."""
    found = await look(services, lambda conn: queries.find_dispatch(conn, viewer.scope, dispatch_id))
    if found is None:
        raise NotFoundError(f"there is no document {dispatch_id} that you may see")
    submission = Submission.model_validate_json(found.submission)
    day = datetime.fromtimestamp(found.row.accepted_at / 1000, services.zone).date()
    directory = services.organisation.directory
    left_out = await asyncio.to_thread(_left_out, directory, submission.addressees, day)
    seen = None if left_out is None else [item for item in left_out if _sees(viewer, found, item.unit_code)]
    return page(
        request,
        viewer,
        "left_out.html",
        detail=found,
        left_out=seen and seen[:MOST_LEFT_OUT],
        more=len(seen or ()) - MOST_LEFT_OUT,
        directory=directory,
        day=day,
    )


def _left_out(directory: Directory, rules: Sequence[str], day: date) -> Sequence[LeftOut] | None:
    """None: the rules name units that the organisation does not have any more."""
    try:
        return resolve(directory, rules, day).left_out
    except AddressingError:
        return None


def _sees(viewer: Viewer, found: DispatchDetail, code: str) -> bool:
    """Whether the viewer sees the unit, or the whole document as its issuer does."""
    scope = viewer.scope
    return not found.is_part or any(covers(pattern, code) for pattern in scope.units)


def _tree(below: str | None) -> str:
    return f"{below}.#" if below else ""


def filter_of(dispatch_id: str, states: Sequence[Status], below: str | None) -> str:
    """The filter that finds the same deliveries in the list, from which they are redriven."""
    tokens = [token("document", dispatch_id)]
    tokens += [token("state", ",".join(state.value for state in states))] if states else []
    return " ".join([*tokens, *([token("unit", _tree(below))] if below else [])])


def heads_of(states: Mapping[str, Status]) -> list[Branch]:
    """The heads of recipients with their counts, for those who look below one of them; none where there is one only."""
    branches = branches_of((), states) if len(states) > PAGE else []
    return branches if len(branches) > 1 else []


def branches_of(rows: Sequence[Addressee], states: Mapping[str, Status]) -> list[Branch]:
    """Rows in the order of the tree, together with those that stand below the same head.

    Args:
        rows: a page of recipients by unit code; none: all heads are given, without rows.
        states: of all recipients; a unit with recipients below it heads them.
    """
    heads = {parent_of(code) for code in states}

    def head_of(code: str) -> str:
        return code if code in heads else parent_of(code) or code

    totals: dict[str, list[Status]] = {}
    for code, state in states.items():
        totals.setdefault(head_of(code), []).append(state)
    if not rows:
        return [
            Branch(head, (), sum(state in queries.ARRIVED for state in of_head), len(of_head))
            for head, of_head in totals.items()
        ]
    return [
        Branch(head, list(some), sum(state in queries.ARRIVED for state in totals[head]), len(totals[head]))
        for head, some in groupby(rows, key=lambda row: head_of(row.delivery.unit))
    ]
