"""``congvan schemas``: the JSON Schemas of what travels."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def schemas() -> None:
    """Export the JSON Schemas of what travels."""


@app.command(
    epilog="Examples: `congvan schemas export schemas/json` · `congvan schemas export --json`\n\n"
    "Exit codes: 0 done, 1 failed, or with --check a file is not current, 2 wrong usage."
)
def export(
    directory: Annotated[Path, typer.Argument(help="Where the files are written.")] = Path("schemas/json"),
    as_json: Annotated[bool, typer.Option("--json", help="Print all as one JSON object and write nothing.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 1 when a file differs.")] = False,
) -> None:
    """Write the JSON Schema (2020-12) of each model that travels."""
    import json

    from schemas.export import MODELS, files, schema_of

    if as_json:
        print(json.dumps({name: schema_of(name) for name in MODELS}, ensure_ascii=False))
        return
    stale = [name for name, text in files().items() if _read(directory / name) != text]
    if check:
        for name in stale:
            print(f"{directory / name} is not current")
        raise typer.Exit(1 if stale else 0)
    directory.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (directory / name).write_text(files()[name], "utf-8")
    print(f"{len(files())} schemas in {directory}, {len(stale)} of them written anew")


def _read(file: Path) -> str | None:
    return file.read_text("utf-8") if file.exists() else None
