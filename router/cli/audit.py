"""``congvan audit``: who did what, when, from where and why, read from the ledger itself."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.console_output import (
    EXIT_CODES,
    CsvOption,
    JsonOption,
    last_moment,
    local_time,
    open_ledger,
    past_moment,
    print_csv,
    print_json,
    print_table,
)
from router.cli.log import require_pattern

if TYPE_CHECKING:
    from router.ledger.people.audit import AuditRow

app = typer.Typer(add_completion=False)

_EPILOG = f"""Examples:

`congvan audit`: the latest acts · `congvan audit --person lan --last 500`

`congvan audit --unit 'LCA.02.#' --since 2026-11-01 --until 2026-11-30`: what was done to a district in a month

`congvan audit --last 10000 --csv ';' > audit.csv`: for Excel on a Vietnamese Windows

`congvan audit --act unit_paused --json`: for another program; `--before` with the last `pos` goes on

{EXIT_CODES}"""

_COLUMNS = ("at", "person", "act", "subject", "what was set", "unit", "from", "reason")


@app.command(epilog=_EPILOG)
def audit(
    person: Annotated[str, typer.Option(help="Only what this person did.")] = "",
    act: Annotated[str, typer.Option(help="Only this kind of act, as redrive_made.")] = "",
    unit: Annotated[str, typer.Option(metavar="PATTERN", help="Only of this unit, or of a subtree as LCA.02.#.")] = "",
    since: Annotated[str, typer.Option(metavar="WHEN", help="Only since then: 30m, 2d, 2026-11-22.")] = "",
    until: Annotated[str, typer.Option(metavar="WHEN", help="Only before then; a day with that day.")] = "",
    folded: Annotated[bool, typer.Option("--folded", help="The acts of one redrive or import as one row.")] = False,
    last: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    before: Annotated[int | None, typer.Option(min=0, help="Only what stands before this place in the log.")] = None,
    as_csv: CsvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the acts of people, the newest first."""
    from router.ledger.engine import reading
    from router.ledger.people import audit as acts
    from router.ledger.scope import EVERYTHING

    if act and act not in set(acts.Act):
        raise typer.BadParameter(f"{act!r} is no act; there are {', '.join(acts.Act)}", param_hint="--act")
    wanted = acts.Wanted(
        person=person,
        act=acts.Act(act) if act else None,
        units=require_pattern(unit),
        since=past_moment(since) if since else None,
        until=last_moment(until) + 1 if until else None,
    )
    with open_ledger() as engine, reading(engine) as conn:
        rows = acts.find_entries(conn, EVERYTHING, wanted, before=before, limit=last, folded=folded)
    if as_json:
        print_json([{"pos": row.pos, "more": row.more} | asdict(row.entry) for row in rows])
    elif as_csv:
        print_csv(_COLUMNS, [_cells(row) for row in rows], as_csv)
    elif rows:
        print_table(_COLUMNS, [_cells(row) for row in rows])
    else:
        print("nobody has done anything")


def _cells(row: "AuditRow") -> tuple[str, ...]:
    it = row.entry
    subject = f"{it.subject} and {row.more} more" if row.more else it.subject
    return local_time(it.at), it.person, it.act.value, subject, it.detail, it.unit, it.address, it.reason
