"""``congvan stuck``: what will not go by itself, by reason, read from the ledger itself."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from router.cli.console_output import (
    EXIT_CODES,
    JsonOption,
    local_time,
    older_than_gateways,
    open_ledger,
    print_json,
    print_table,
)
from schemas.clock import now_ms, today

if TYPE_CHECKING:
    from router.ledger.queries import StuckGroup

app = typer.Typer(add_completion=False)

_EPILOG = f"""Examples:

`congvan stuck`: what will not go by itself, by reason and parent

`congvan stuck --json`: for another program

`congvan redrive 'is:parked unit:LCA.02.#' --canary --reason 'the disk was freed'`: what to do about it

`congvan units hand-on LCA.02.05 --reason 'merged'`: what to do about what waits for a unit that exists no more

{EXIT_CODES}"""


@app.command(epilog=_EPILOG)
def stuck(as_json: JsonOption = False) -> None:
    """Show what will not go by itself, by reason."""
    from router.ledger import queries
    from router.ledger.engine import reading
    from router.ledger.recovery import forgotten
    from router.ledger.scope import EVERYTHING
    from schemas.zone import zone

    with open_ledger() as engine, reading(engine) as conn:
        told = forgotten.summary(conn)
        groups = queries.stuck(conn, EVERYTHING, now_ms=now_ms(), day=today(zone().key))
    if as_json:
        print_json([asdict(group) for group in groups])
    elif groups:
        columns = "state", "below", "units", "deliveries", "since", "why", "one reason", "muted", "what to do"
        rows = [
            (
                it.state.value,
                it.parent,
                it.units,
                it.deliveries,
                local_time(it.since),
                it.code or "-",
                it.reason or "-",
                "muted" if it.muted else "",
                _advice(it),
            )
            for it in groups
        ]
        print_table(columns, rows)
    elif not told.deliveries:
        print("nothing is stuck")
    if told.deliveries:
        print(f"{older_than_gateways(told)}: see `congvan ledger recover`", file=sys.stderr if as_json else None)


def _advice(group: "StuckGroup") -> str:
    if not group.gone:
        return "redrive"
    return f"units hand-on {group.parent}" if group.successor else f"units give-up {group.parent}"
