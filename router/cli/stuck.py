"""``congvan stuck``: what will not go by itself, by reason, and who takes care of it; from the ledger itself."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.console_output import (
    EXIT_CODES,
    CsvOption,
    JsonOption,
    local_time,
    older_than_gateways,
    open_ledger,
    person_here,
    print_csv,
    print_json,
    print_table,
)
from schemas.clock import now_ms, today

if TYPE_CHECKING:
    from datetime import date

    from router.ledger.acts.stuck_care import Care
    from router.ledger.people.audit import By
    from router.ledger.queries import StuckGroup

app = typer.Typer(add_completion=False)
_COLUMNS = (
    *("group", "state", "below", "units", "deliveries", "since", "why", "one reason", "muted"),
    *("care", "care since", "note", "what to do"),
)

_EPILOG = f"""Examples:

`congvan stuck`: what will not go by itself, by reason and parent, and who takes care of it

`congvan stuck --json`: for another program

`congvan stuck take 3f9a --note 'called the office'` · `congvan stuck leave 3f9a --note 'went on leave'`

`congvan redrive 'is:parked unit:LCA.02.#' --canary --reason 'the disk was freed'`: what to do about it

`congvan units hand-on LCA.02.05 --reason 'merged'`: what to do about what waits for a unit that exists no more

{EXIT_CODES}"""
_TAKE_EPILOG = f"""Example: `congvan stuck take 3f9a --note 'called the office'`

It is over when nothing is left of the group, or with `congvan stuck leave`.

{EXIT_CODES} Here 3: there is no such group; 4: several begin so."""
_LEAVE_EPILOG = f"""Example: `congvan stuck leave 3f9a --note 'the district sees to it'`

{EXIT_CODES} Here 3: there is no such group, or nobody takes care of it; 4: several begin so."""
GroupArgument = Annotated[
    str, typer.Argument(metavar="GROUP", help="The group's id, as `congvan stuck` shows it, or how it begins.")
]
NoteOption = Annotated[str, typer.Option(help="What is done about it; shown beside it and kept in the audit log.")]


@app.callback(invoke_without_command=True, epilog=_EPILOG)
def stuck(context: typer.Context, as_csv: CsvOption = None, as_json: JsonOption = False) -> None:
    """Show what will not go by itself, by reason."""
    if context.invoked_subcommand:
        return
    from router.ledger import queries
    from router.ledger.acts.stuck_care import cares_of
    from router.ledger.engine import reading
    from router.ledger.recovery import forgotten
    from router.ledger.scope import EVERYTHING

    with open_ledger() as engine, reading(engine) as conn:
        told = forgotten.summary(conn)
        groups = queries.stuck(conn, EVERYTHING, now_ms=now_ms(), day=_today())
        cares = cares_of(conn, EVERYTHING, [group.key for group in groups])
    found = [(group, cares.get(group.key)) for group in groups]
    if as_json:
        print_json([_json(group, care) for group, care in found])
    elif as_csv:
        print_csv(_COLUMNS, [_row(group, care) for group, care in found], as_csv)
    elif groups:
        print_table(_COLUMNS, [_row(group, care) for group, care in found])
    elif not told.deliveries:
        print("nothing is stuck")
    if told.deliveries:
        aside = sys.stderr if as_json or as_csv else None
        print(f"{older_than_gateways(told)}: see `congvan ledger recover`", file=aside)


@app.command(epilog=_TAKE_EPILOG)
def take(group: GroupArgument, note: NoteOption = "", as_json: JsonOption = False) -> None:
    """Take care of a group, also in the place of somebody else."""
    from router.ledger.acts import stuck_care
    from router.ledger.engine import writing
    from router.ledger.scope import EVERYTHING

    by = _by(note)
    with open_ledger() as engine, writing(engine) as conn:
        care = stuck_care.take(conn, EVERYTHING, group, by, seen=None, day=_today())
    if as_json:
        print_json([{"group": care.key.id, "owner": care.owner, "note": care.note, "at": care.at}])
    else:
        print(f"{care.owner} takes care of {care.key.id}")


@app.command(epilog=_LEAVE_EPILOG)
def leave(group: GroupArgument, note: NoteOption = "") -> None:
    """Have nobody take care of a group any more."""
    from router.ledger.acts import stuck_care
    from router.ledger.engine import writing
    from router.ledger.scope import EVERYTHING

    by = _by(note)
    with open_ledger() as engine, writing(engine) as conn:
        stuck_care.leave(conn, EVERYTHING, group, by, day=_today())
    print(f"nobody takes care of {group} now")


def _by(note: str) -> "By":
    from router.ledger.acts.stuck_care import MAX_NOTE
    from router.ledger.people.audit import By

    if len(note) > MAX_NOTE:
        raise typer.BadParameter(f"write at most {MAX_NOTE} characters", param_hint="--note")
    return By(person_here(), note.strip(), now_ms())


def _today() -> "date":
    from schemas.zone import zone

    return today(zone().key)


def _json(group: "StuckGroup", care: "Care | None") -> dict[str, object]:
    told = None if care is None else {"owner": care.owner, "note": care.note, "at": care.at}
    return {"group": group.key.id} | asdict(group) | {"care": told}


def _row(it: "StuckGroup", care: "Care | None") -> tuple[object, ...]:
    return (
        it.key.id,
        it.state.value,
        it.parent,
        it.units,
        it.deliveries,
        local_time(it.since),
        it.code or "-",
        it.reason or "-",
        "muted" if it.muted else "",
        *((care.owner, local_time(care.at), care.note) if care else ("", "", "")),
        _advice(it),
    )


def _advice(group: "StuckGroup") -> str:
    if not group.gone:
        return "redrive"
    return f"units hand-on {group.parent}" if group.successor else f"units give-up {group.parent}"
