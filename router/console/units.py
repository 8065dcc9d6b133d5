"""The tree of units with what waits for each, and units found by name."""

from itertools import pairwise
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from router.console.access import Looking, Parts
from router.console.pages import page
from router.console.reads import look
from router.console.views import shelf_of
from router.ledger import queries
from router.ledger.people.views import Screen
from router.ledger.queries import UnitRow
from router.ledger.scope import Scope
from schemas.clock import now_ms, start_of_day
from schemas.codes import is_code

_MOST_OPEN = 50
router = APIRouter()


@router.get("/units")
async def show_units(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    open: Annotated[str | None, Query(max_length=5000)] = None,  # noqa: A002 - the parameter's name in the address
    find: Annotated[str, Query(max_length=200)] = "",
    problems: Annotated[bool, Query()] = False,
) -> Response:
    """The tree, opened where the address says; or the units whose name or code was typed."""
    wanted = frozenset(code for code in (open or "").split(",") if is_code(code))

    def query(conn: Connection) -> list[tuple[int, UnitRow]]:
        if find.strip():
            return [(0, row) for row in queries.search_units(conn, viewer.scope, find)]
        today = start_of_day(now_ms(), services.timezone)
        return _tree(conn, viewer.scope, wanted if open is not None else None, today, problems=problems)

    rows = await look(services, query)
    opened = frozenset(above.code for (depth, above), (deeper, _) in pairwise(rows) if deeper > depth)
    asked = {"find": find, "problems": "true" if problems else "", "open": open or ""}
    return page(
        request,
        viewer,
        "units.html",
        now=now_ms(),
        rows=rows,
        opened=opened,
        find=find,
        problems=problems,
        views=await shelf_of(services, viewer, Screen.UNITS, asked),
    )


def _tree(
    conn: Connection, scope: Scope, wanted: frozenset[str] | None, today: int, *, problems: bool
) -> list[tuple[int, UnitRow]]:
    """The rows of the tree with their depths; ``wanted`` None opens the topmost ones, ``today`` is when it began."""
    rows: list[tuple[int, UnitRow]] = []
    left = _MOST_OPEN

    def add(units: list[UnitRow], depth: int) -> None:
        nonlocal left
        for unit in units:
            rows.append((depth, unit))
            is_open = depth == 0 if wanted is None else unit.code in wanted
            if is_open and unit.has_children and left:
                left -= 1
                add(queries.children(conn, scope, unit.code), depth + 1)

    add(queries.heads(conn, scope), 0)
    queries.add_loads(conn, scope, [unit for _, unit in rows], since=today)
    return [(depth, unit) for depth, unit in rows if unit.load.waiting or not problems]
