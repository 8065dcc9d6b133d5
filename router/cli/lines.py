"""``congvan lines``: which lines are down and which were, read from the ledger itself."""

from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.console_output import EXIT_CODES, JsonOption, local_time, open_ledger, print_json, print_table
from router.cli.log import require_pattern
from router.cli.stats import took
from schemas.clock import now_ms

if TYPE_CHECKING:
    from router.ledger.queries import BoardRow, LineBoard

app = typer.Typer(add_completion=False)

_EPILOG = f"""Examples:

`congvan lines`: which lines are down, and which were in the last 24 hours

`congvan lines --span 7d --unit 'LCA.02.#'` · `congvan lines --down` · `congvan lines --json`

Lines that went down within 60 s of each other, at least three and half of those below one unit, for two minutes or
longer, are told together.

{EXIT_CODES}"""
_HOUR_MS = 3_600_000
_MOST_LINES = 200


class SpanChoice(StrEnum):
    """How far back lines are looked at."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"


HOURS = {SpanChoice.HOUR: 1, SpanChoice.DAY: 24, SpanChoice.WEEK: 7 * 24, SpanChoice.MONTH: 30 * 24}


@app.command(epilog=_EPILOG)
def lines(
    unit: Annotated[str, typer.Option(metavar="PATTERN", help="Only this unit, or a subtree as LCA.02.#.")] = "",
    span: Annotated[SpanChoice, typer.Option(help="How far back.")] = SpanChoice.DAY,
    down: Annotated[bool, typer.Option("--down", help="Only lines that are down now.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show which lines are down and which were."""
    from router.ledger import queries
    from router.ledger.engine import reading
    from router.ledger.queries import Span
    from router.ledger.scope import EVERYTHING
    from router.rules.outages import LineState

    units, now = require_pattern(unit), now_ms()
    when = Span(now - HOURS[span] * _HOUR_MS, now, now)
    state = LineState.DOWN if down else None
    with open_ledger() as engine, reading(engine) as conn:
        board = queries.line_board(conn, EVERYTHING, when, units=units, state=state, limit=_MOST_LINES)
    if as_json:
        print_json([asdict(board)])
    else:
        _print_board(board, span)


def _print_board(board: "LineBoard", span: SpanChoice) -> None:
    available = _available(board.down_ms, board.observed_ms)
    print(f"{board.up} up, {board.down} down; available {available} in {span.value}, {board.disturbed} with outages")
    for group in board.together:
        lasted = "not all back" if group.ended_at is None else f"all back after {took(group.ended_at - group.began_at)}"
        began = local_time(group.began_at)
        print(f"{len(group.units)} of {group.lines} lines below {group.head} within 60 s: {began}, {lasted}")
    if board.rows:
        columns = "unit", "name", "line", "since", "outages", "down for", "available"
        print_table(columns, [_line_row(row) for row in board.rows])


def _line_row(row: "BoardRow") -> tuple[object, ...]:
    line, downtime = row.line, row.downtime
    lasted, share = took(downtime.down_ms), _available(downtime.down_ms, row.observed_ms)
    return line.unit, line.name, line.state.value, local_time(line.since), downtime.outages, lasted, share


def _available(down_ms: int, of_ms: int) -> str:
    return f"{1000 * max(of_ms - down_ms, 0) // of_ms / 10}%" if of_ms else "-"
