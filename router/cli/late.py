"""``congvan late``: who is late with what, unit by unit, and who can be asked for it; from the ledger itself."""

from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.console_output import (
    EXIT_CODES,
    CsvOption,
    JsonOption,
    local_time,
    open_ledger,
    print_csv,
    print_json,
    print_table,
)
from schemas.clock import now_ms
from schemas.duties import Duty

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from router.ledger.queries import LateUnit, WantedLate

app = typer.Typer(add_completion=False)

_NOT_FOUND = 3
_AT_ONCE = 1000
_EPILOG = f"""Examples:

`congvan late`: every unit at which something is late, with what, since when, and which unit asks it

`congvan late --unit LCA.02 --duty register`: what a district and all below it should have registered

`congvan late --json`: for another program; times are milliseconds since 1970

The console's page Who is late leads to the deliveries themselves; `congvan why` explains one.

deliver: a set time has passed and it is still on its way; send_again: parked; register: not in the arrival book;
assign: not submitted and directed; process: not completed by the letter's day; give_back: a recall not answered;
answer: the letter's day has passed. By the office hours and days of CONGVAN_OFFICE_HOURS and CONGVAN_OFFICE_DAYS.

{EXIT_CODES} Here 3: there is no such unit."""


@app.command(epilog=_EPILOG)
def late(
    unit: Annotated[str, typer.Option(metavar="CODE", help="Only this unit and all below it.")] = "",
    duty: Annotated[Duty | None, typer.Option(help="Only what is late with this.")] = None,
    as_csv: CsvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show who is late, with what, and who can be asked."""
    found = _look(unit, duty)
    if as_json:
        print_json([_json(item) for item in found])
    elif as_csv:
        print_csv(_columns(), [_row(item) for item in found], as_csv)
    elif found:
        print_table(_columns(), [_row(item) for item in found])
    else:
        print("nothing is late")


def _look(unit: str, duty: Duty | None) -> "list[LateUnit]":
    from router.ledger.engine import reading
    from router.ledger.queries import WantedLate, names_of
    from router.ledger.scope import EVERYTHING

    with open_ledger() as engine, reading(engine) as conn:
        if unit and not names_of(conn, EVERYTHING, [unit]):
            typer.echo(f"congvan: there is no unit {unit}; `congvan units tree` shows which there are", err=True)
            raise typer.Exit(_NOT_FOUND)
        return _all(conn, WantedLate(unit, duty))


def _all(conn: "Connection", wanted: "WantedLate") -> "list[LateUnit]":
    from router.ledger.queries import late_units
    from router.ledger.scope import EVERYTHING

    now = now_ms()
    found: list[LateUnit] = []
    while True:
        after = found[-1].code if found else ""
        page = late_units(conn, EVERYTHING, wanted, now_ms=now, after=after, limit=_AT_ONCE)
        found += page
        if len(page) < _AT_ONCE:
            return found


def _columns() -> tuple[str, ...]:
    return "unit", "name", "late", *(duty.value.replace("_", " ") for duty in Duty), "late since", "who asks"


def _row(item: "LateUnit") -> tuple[object, ...]:
    counts = (item.counts.get(duty) or "" for duty in Duty)
    return item.code, item.name, item.total, *counts, local_time(item.oldest_at), item.parent or "-"


def _json(item: "LateUnit") -> dict[str, object]:
    return {
        "unit": item.code,
        "name": item.name,
        "late": item.total,
        "duties": {duty.value: count for duty, count in item.counts.items()},
        "late_since": item.oldest_at,
        "line_down_since": item.silent_since,
        "asked_by": item.parent or None,
        "asked_by_name": item.parent_name,
    }
