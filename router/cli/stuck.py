"""``congvan stuck``: what will not go by itself, by reason, read from the ledger itself."""

from dataclasses import asdict

import typer

from router.cli.console_output import EXIT_CODES, JsonOption, local_time, open_ledger, print_json, print_table
from schemas.clock import now_ms

app = typer.Typer(add_completion=False)

_EPILOG = f"""Examples:

`congvan stuck`: what will not go by itself, by reason and parent

`congvan stuck --json`: for another program

`congvan redrive 'is:parked unit:LCA.02.#' --canary --reason 'the disk was freed'`: what to do about it

{EXIT_CODES}"""


@app.command(epilog=_EPILOG)
def stuck(as_json: JsonOption = False) -> None:
    """Show what will not go by itself, by reason."""
    from router.ledger import queries
    from router.ledger.engine import reading
    from router.ledger.scope import EVERYTHING

    with open_ledger() as engine, reading(engine) as conn:
        groups = queries.stuck(conn, EVERYTHING, now_ms=now_ms())
    if as_json:
        print_json([asdict(group) for group in groups])
    elif groups:
        from schemas.reasons import WORDS, known_code

        def words(code: str, reason: str) -> str:
            known = known_code(code)
            return f"{WORDS[known].en}: {reason}" if known else reason or "-"

        columns = "state", "below", "units", "documents", "since", "reason", "muted"
        rows = [
            (
                it.state.value,
                it.parent,
                it.units,
                it.deliveries,
                local_time(it.since),
                words(it.code, it.reason),
                "muted" if it.muted else "",
            )
            for it in groups
        ]
        print_table(columns, rows)
    else:
        print("nothing is stuck")
