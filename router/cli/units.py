"""``congvan units``: the organisation as a tree, the dry run of rules, the import; sheet and acts are beside it."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli import unit_acts, unit_import, unit_sheet
from router.cli.console_output import JsonOption, day_of, open_ledger, print_json, print_table

if TYPE_CHECKING:
    from router.directory import Directory, Resolution
    from schemas.unit import Unit

app = typer.Typer(no_args_is_help=True, add_completion=False)

_REFUSED = 4
_EXIT_CODES = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 refused, 5 the ledger is unavailable."
_TREE_EPILOG = f"""Examples:

`congvan units tree` · `congvan units tree LCA.02` · `congvan units tree --depth 1 --file units.csv`

{_EXIT_CODES} Here 3: the unit is not there."""
_RESOLVE_EPILOG = f"""Examples (quote rules: the shell has its own use for # * ! and braces):

`congvan units resolve 'LCA.02.#'`: a subtree with its head

`congvan units resolve 'LCA.#{{commune}}' '!LCA.02.05'`: all communes but one

`congvan units resolve 'LCA.*{{district}}' --file units.csv --day 2025-07-01 --json`: by a file, on a day

{_EXIT_CODES} Here 2: a rule cannot be read, names an unknown unit or matches nobody; 4: every unit is left out."""
FileOption = Annotated[
    Path | None, typer.Option("--file", "-f", help="A .csv or .json list of units instead of the ledger.")
]


@app.callback()
def _group() -> None:
    """Show, import, pause, mute and retire the units of the organisation."""


@app.command(epilog=_TREE_EPILOG)
def tree(
    head: Annotated[str, typer.Argument(metavar="[CODE]", help="The unit to begin at; without it, all.")] = "",
    file: FileOption = None,
    depth: Annotated[int | None, typer.Option(min=0, help="Levels below the first to show.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the units as a tree; where there is no terminal, as lines."""
    directory = _directory(file)
    units = [unit for level, unit in _levels(directory, head) if depth is None or level <= depth]
    if as_json:
        print_json(units)
    elif sys.stdout.isatty():
        _print_tree(units)
    else:
        print_table(("code", "name", "kind", "link", "remark"), [(*_cells(unit), _remark(unit)) for unit in units])


@app.command(epilog=_RESOLVE_EPILOG)
def resolve(
    rules: Annotated[list[str], typer.Argument(metavar="RULE", help="Addressing rules, as a dispatch has them.")],
    file: FileOption = None,
    day: Annotated[str, typer.Option(help="The day a unit has to exist on, as 2025-07-01; without it, today.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Say who a dispatch would go to, who not and why. Nothing is sent."""
    from router import directory as organisation

    found = organisation.resolve(_directory(file), rules, day_of(day, "--day"))
    if as_json:
        print_json([_as_object(found)])
    else:
        _print_resolution(found)
    if not found.included:
        raise typer.Exit(_REFUSED)


app.command("import", epilog=unit_import.EPILOG)(unit_import.import_list)
app.command("show", epilog=unit_sheet.SHOW_EPILOG)(unit_sheet.show)
app.command("pause", epilog=unit_acts.PAUSE_EPILOG)(unit_acts.pause)
app.command("open", epilog=unit_acts.OPEN_EPILOG)(unit_acts.open_again)
app.command("mute", epilog=unit_acts.MUTE_EPILOG)(unit_acts.mute)
app.command("take-over", epilog=unit_acts.TAKE_OVER_EPILOG)(unit_acts.take_over)
app.command("retire", epilog=unit_acts.RETIRE_EPILOG)(unit_acts.retire)
app.command("waiting", epilog=unit_acts.WAITING_EPILOG)(unit_acts.waiting)
app.command("hand-on", epilog=unit_acts.HAND_ON_EPILOG)(unit_acts.hand_on)
app.command("give-up", epilog=unit_acts.GIVE_UP_EPILOG)(unit_acts.give_up)
app.command("keep", epilog=unit_acts.KEEP_EPILOG)(unit_acts.keep)


def _directory(file: Path | None) -> "Directory":
    from router.directory import Directory, load_file

    if file is not None:
        return Directory(load_file(file))
    from router.ledger.engine import reading
    from router.ledger.units.unit_list import list_units

    with open_ledger() as engine, reading(engine) as conn:
        return Directory(list_units(conn))


def _levels(directory: "Directory", head: str) -> Iterator[tuple[int, "Unit"]]:
    """The units at and below a head, or all, each with its depth, in tree order."""
    from router.errors import NotFoundError

    units = directory.within(head) if head else directory.all
    if head and not units:
        raise NotFoundError(f"there is no unit {head}", hint="`congvan units tree` shows all")
    depths: dict[str | None, int] = {}
    for unit in units:
        depths[unit.code] = depths.get(unit.parent, -1) + 1
        yield depths[unit.code], unit


def _cells(unit: "Unit") -> tuple[str, str, str, str]:
    return unit.code, unit.name, unit.kind, unit.link.value


def _remark(unit: "Unit") -> str:
    """When the unit exists and what is noted of it."""
    remarks = (
        f"from {unit.valid_from}" if unit.valid_from else "",
        f"until {unit.valid_to}" if unit.valid_to else "",
        f"then {unit.successor}" if unit.successor else "",
        f"open {unit.opening}, else express only" if unit.opening else "",
        unit.note,
    )
    return "; ".join(filter(None, remarks))


def _print_tree(units: "list[Unit]") -> None:
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    console = Console()
    branches: dict[str, Tree] = {}
    roots: list[Tree] = []
    for unit in units:
        label = Text.assemble((unit.code, "bold"), f" {unit.name} ", (f"{unit.kind}, {unit.link.value}", "dim"))
        if remark := _remark(unit):
            label.append(f" {remark}", "italic dim")
        above = branches.get(unit.parent or "")
        branches[unit.code] = above.add(label) if above else Tree(label)
        if above is None:
            roots.append(branches[unit.code])
    for root in roots:
        console.print(root)


def _print_resolution(found: "Resolution") -> None:
    notes: dict[str, list[str]] = {}
    for note in found.notes:
        notes.setdefault(note.unit_code, []).append(f"{note.code.value}: {note.detail}")
    print(f"{len(found.included)} addressed")
    if found.included:
        rows = [(*_cells(unit), "; ".join(notes.get(unit.code, ()))) for unit in found.included]
        print_table(("code", "name", "kind", "link", "note"), rows)
    if found.left_out:
        print(f"\n{len(found.left_out)} left out")
        print_table(("code", "reason", "detail"), [(it.unit_code, it.reason.value, it.detail) for it in found.left_out])
    for line in notes.get("", ()):
        print(f"\nnote: {line}")


def _as_object(found: "Resolution") -> dict[str, object]:
    """The same form as the web API's answer."""
    return {
        "count": len(found.included),
        "included": [dict(zip(("code", "name", "kind", "link"), _cells(unit), strict=True)) for unit in found.included],
        "left_out": [{"unit": it.unit_code, "reason": it.reason, "detail": it.detail} for it in found.left_out],
        "notes": [{"code": it.code, "unit": it.unit_code, "detail": it.detail} for it in found.notes],
    }
