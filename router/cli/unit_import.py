"""``congvan units import``: a list of the organisation, looked at or taken over."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.console_output import EXIT_CODES, JsonOption, day_of, open_ledger, person_here, print_json, print_table
from schemas.clock import now_ms

if TYPE_CHECKING:
    from router.directory.difference import Changed, Difference
    from router.ledger.units.unit_list import ImportResult

EPILOG = f"""Examples:

`congvan units import units.csv --dry-run`: what it would change, unit by unit

`congvan units import units.csv` · `congvan units import units.json --retire-missing 2025-06-30`

What the list does not name stays as it is, so a list of one changed unit is enough.

{EXIT_CODES} Here 2: the list does not hold together; every line that is wrong is named and nothing is taken."""


def import_list(
    file: Annotated[Path, typer.Argument(help="A .csv or .json list of units in UTF-8.")],
    retire_missing: Annotated[
        str, typer.Option(help="The last day of the units that the list no longer names; without it, they stay.")
    ] = "",
    reason: Annotated[str, typer.Option(help="Why; kept in the audit log.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would change.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Merge a list of units into the ledger, all of it or nothing; a running router takes it over by itself."""
    from router.directory import load_file
    from router.ledger.engine import reading, writing
    from router.ledger.people.audit import MAX_REASON, By
    from router.ledger.units.unit_import import NewList, foresee
    from router.ledger.units.unit_import import import_list as take
    from router.ledger.units.unit_list import list_units

    last_day = day_of(retire_missing, "--retire-missing") if retire_missing else None
    if len(why := reason.strip()) > MAX_REASON:
        raise typer.BadParameter(f"at most {MAX_REASON} characters", param_hint="--reason")
    file.stat()  # a missing file is reported before a missing ledger
    with open_ledger() as engine:
        with reading(engine) as conn:
            known = list_units(conn)
        new = NewList(file.name, load_file(file, beside=known), last_day)
        if dry_run:
            with reading(engine) as conn:
                _tell_difference(foresee(conn, new), as_json=as_json)
            return
        with writing(engine) as conn:
            result = take(conn, new, By(person_here(), why, now_ms()))
    _tell_result(result, as_json=as_json)


def _tell_result(result: "ImportResult", *, as_json: bool) -> None:
    if as_json:
        print_json([result])
        return
    _print_counts(len(result.added), len(result.changed), len(result.retired), result.unchanged)
    if result.released or result.held:
        print(f"waiting deliveries that are sent now: {result.released}; that wait from now on: {result.held}")


def _tell_difference(found: "Difference", *, as_json: bool) -> None:
    if as_json:
        print_json([_as_object(found)])
        return
    _print_counts(len(found.added), len(found.changed), len(found.retired), found.unchanged)
    rows = [("added", item.code, item.name, "") for item in found.added]
    rows += [("changed", item.code, item.after.name, item.told) for item in found.changed]
    rows += [("retired", item.code, item.after.name, item.told) for item in found.retired]
    rows += [("not named", item.code, item.name, "stays as it is") for item in found.missing]
    if rows:
        print_table(("what", "code", "name", "fields"), rows)


def _print_counts(added: int, changed: int, retired: int, unchanged: int) -> None:
    print(f"{added} added, {changed} changed, {retired} retired, {unchanged} unchanged")


def _as_object(found: "Difference") -> dict[str, object]:
    return {
        "added": [item.code for item in found.added],
        "changed": _changes(found.changed),
        "retired": _changes(found.retired),
        "missing": [item.code for item in found.missing],
        "unchanged": found.unchanged,
    }


def _changes(items: "Iterable[Changed]") -> list[dict[str, object]]:
    return [{"code": item.code, "fields": item.fields} for item in items]
