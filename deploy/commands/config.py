"""``congvan config``: the settings of all programs, as this process would read them."""

import json
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def config() -> None:
    """Show the settings and where each comes from."""


@app.command(
    epilog="Examples: `congvan config show --origin` · `congvan config show --json`\n\n"
    "Exit codes: 0 shown, 2 a setting is wrong or unknown."
)
def show(
    origin: Annotated[bool, typer.Option("--origin", help="Show where each value comes from.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List every setting of router and gateway with its value; secrets are masked."""
    from deploy.settings import listing

    rows = listing()
    if as_json:
        print(json.dumps({row.variable: {"value": row.value, "origin": row.origin} for row in rows}))
        return
    from router.cli.console_output import print_table

    columns = ("setting", "value", "from")[: 3 if origin else 2]
    print_table(columns, [(row.variable, row.value, row.origin)[: len(columns)] for row in rows])
