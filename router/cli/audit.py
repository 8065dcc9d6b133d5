"""``congvan audit``: who did what, when, from where and why, read from the ledger itself."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.console_output import EXIT_CODES, JsonOption, local_time, open_ledger, print_json, print_table

if TYPE_CHECKING:
    from router.ledger.people.audit import Entry

app = typer.Typer(add_completion=False)

_EPILOG = f"""Examples:

`congvan audit`: the latest acts · `congvan audit --person lan --last 500`

`congvan audit --act unit_paused --json`: for another program; `--before` with the last `pos` goes on

{EXIT_CODES}"""


@app.command(epilog=_EPILOG)
def audit(
    person: Annotated[str, typer.Option(help="Only what this person did.")] = "",
    act: Annotated[str, typer.Option(help="Only this kind of act, as redrive_made.")] = "",
    last: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    before: Annotated[int | None, typer.Option(min=0, help="Only what stands before this place in the log.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the acts of people, the newest first."""
    from router.ledger.engine import reading
    from router.ledger.people import audit as acts
    from router.ledger.scope import EVERYTHING

    if act and act not in set(acts.Act):
        raise typer.BadParameter(f"{act!r} is no act; there are {', '.join(acts.Act)}", param_hint="--act")
    chosen = acts.Act(act) if act else None
    with open_ledger() as engine, reading(engine) as conn:
        rows = acts.list_entries(conn, EVERYTHING, person=person, act=chosen, before=before, limit=last)
    if as_json:
        print_json([{"pos": row.pos} | asdict(row.entry) for row in rows])
    elif rows:
        columns = "at", "person", "act", "subject", "unit", "from", "reason"
        print_table(columns, [_cells(row.entry) for row in rows])
    else:
        print("nobody has done anything")


def _cells(it: "Entry") -> tuple[str, ...]:
    return local_time(it.at), it.person, it.act.value, it.subject, it.unit, it.address, it.reason
