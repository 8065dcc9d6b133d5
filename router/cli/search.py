"""``congvan search``: documents and units by what people type, read from the ledger itself."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.console_output import EXIT_CODES, JsonOption, local_time, open_ledger, print_json, print_table

if TYPE_CHECKING:
    from router.ledger.queries import DispatchRow, UnitRow

app = typer.Typer(add_completion=False)

_EPILOG = f"""Examples:

`congvan search 123-CV` · `congvan search 'tan phong'`: accents and case do not matter

`congvan search duong --json`: an object per unit (`found` is `unit`) and per document (`found` is `document`)

{EXIT_CODES} Here 3: nothing was found."""
_NOT_FOUND = 3


@app.command(epilog=_EPILOG)
def search(
    text: Annotated[str, typer.Argument(help="A number, a word of the subject, a unit's name or the begin of a code.")],
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many units, and so many documents.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Find documents and units by what people type, the latest documents first."""
    from router.ledger import queries
    from router.ledger.engine import reading
    from router.ledger.scope import EVERYTHING

    with open_ledger() as engine, reading(engine) as conn:
        units = queries.search_units(conn, EVERYTHING, text, limit=limit)
        documents = queries.list_dispatches(conn, EVERYTHING, text=text.strip(), limit=limit).items
    if as_json:
        print_json([{"found": "unit"} | asdict(row) for row in units])
        print_json([{"found": "document"} | asdict(row) for row in documents])
    else:
        _print(units, documents)
    if not units and not documents:
        raise typer.Exit(_NOT_FOUND)


def _print(units: "Sequence[UnitRow]", documents: "Sequence[DispatchRow]") -> None:
    if units:
        print_table(("unit", "name", "kind", "link"), [(row.code, row.name, row.kind, row.link) for row in units])
    if documents:
        columns = "document", "notation", "accepted", "arrived", "from", "subject"
        print_table(
            columns,
            [
                (
                    row.id,
                    row.notation,
                    local_time(row.accepted_at),
                    f"{row.roll_up.arrived}/{row.total}",
                    row.issuer,
                    row.subject,
                )
                for row in documents
            ],
        )
    if not units and not documents:
        print("nothing was found")
