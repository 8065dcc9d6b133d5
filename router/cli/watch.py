"""``congvan watch``: the six numbers, what needs attention and the delivery log, live on the whole screen."""

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.console_output import EXIT_CODES, JsonOption, local_time, open_ledger, print_json
from router.cli.log import require_pattern
from router.cli.overview import Snapshot, attention_row, look
from schemas.clock import now_ms

if TYPE_CHECKING:
    from rich.console import RenderableType
    from sqlalchemy import Engine

    from router.ledger.queries import LogEntry

app = typer.Typer(add_completion=False)

_EVERY = 1.0
_KEPT = 200
_STALE_MS = 5000
_FRAME = 12
"""Lines of the screen that are not the log's."""
_EPILOG = f"""Examples:

`congvan watch`: until Ctrl-C · `congvan watch --unit 'LCA.02.#'`: the log of a district

`congvan watch --json --for 10`: an object for every look, with the receipts that are new

Where there is no terminal, use --json, or `congvan log --follow`.

{EXIT_CODES}"""
_COLOURS = {"parked": "red", "expired": "red", "refused": "yellow", "arrived": "green", "registered": "green"}
_COLOURS |= {"completed": "green", "recalled": "dim"}


@app.command(epilog=_EPILOG)
def watch(
    unit: Annotated[str, typer.Option(metavar="PATTERN", help="The log only of this unit, or of LCA.02.#.")] = "",
    seconds: Annotated[float | None, typer.Option("--for", min=0, help="Seconds after which it ends.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Watch the numbers and the delivery log live, on the whole screen."""
    pattern = require_pattern(unit)
    if not as_json and not sys.stdout.isatty():
        raise typer.BadParameter("there is no terminal; use --json, or `congvan log --follow`")
    with open_ledger() as engine, suppress(KeyboardInterrupt):
        looks = _looks(engine, pattern, seconds)
        if as_json:
            print_json(standing.as_object() | {"new": [asdict(entry) for entry in new]} for standing, new in looks)
        else:
            _show(looks)


def _looks(engine: "Engine", pattern: str, seconds: float | None) -> "Iterator[tuple[Snapshot, list[LogEntry]]]":
    """A look every second; while the ledger is away, the last one again."""
    from router.errors import LedgerUnavailableError
    from router.ledger.engine import reading
    from router.ledger.queries import Filter, Follower
    from router.ledger.scope import EVERYTHING

    follower = Follower(EVERYTHING, Filter(units=(pattern,) if pattern else ()), first=_KEPT)
    deadline = None if seconds is None else time.monotonic() + seconds
    standing: Snapshot | None = None
    while True:
        new: list[LogEntry] = []
        with suppress(LedgerUnavailableError), reading(engine) as conn:
            standing, new = look(conn), follower.read(conn)
        if standing is not None:
            yield standing, new
        if deadline is not None and time.monotonic() >= deadline:
            return
        time.sleep(_EVERY)


def _show(looks: "Iterator[tuple[Snapshot, list[LogEntry]]]") -> None:
    from rich.console import Console
    from rich.live import Live

    console = Console()
    entries: deque[LogEntry] = deque(maxlen=_KEPT)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        for standing, new in looks:
            entries.extend(new)
            live.update(picture(standing, list(entries), console.height), refresh=True)


def picture(standing: Snapshot, entries: "list[LogEntry]", height: int) -> "RenderableType":
    """The whole screen: numbers, causes, and as much of the log's end as there is room for."""
    from rich.console import Group
    from rich.text import Text

    causes = standing.attention[: max(height - _FRAME, 0) // 3]
    room = max(height - _FRAME - len(causes), 1)
    stale = "" if now_ms() - standing.at < _STALE_MS else "  the ledger does not answer"
    head = Text(f"congvan  {local_time(standing.at)}{stale}", style="bold")
    parts: list[RenderableType] = [head, Text(), _numbers(standing), Text()]
    parts += [_cause(attention_row(group)) for group in causes]
    parts += [Text(), *(_line(entry) for entry in entries[-room:])]
    return Group(*parts, Text("Ctrl-C ends it", style="dim"))


def _numbers(standing: Snapshot) -> "RenderableType":
    from rich.table import Table

    table = Table(box=None, expand=True, pad_edge=False, header_style="dim")
    numbers = standing.numbers()
    for name, _ in numbers:
        table.add_column(name)
    table.add_row(*(f"[bold red]{it}" if name == "parked" and it != "0" else f"[bold]{it}" for name, it in numbers))
    return table


def _cause(cells: tuple[str, ...]) -> "RenderableType":
    from rich.text import Text

    cause, units, documents, since, reason = cells
    style = _COLOURS.get(cause, "yellow")
    return Text(f"{cause} · {units} units · {documents} documents · since {since}  {reason}", style, no_wrap=True)


def _line(entry: "LogEntry") -> "RenderableType":
    from rich.text import Text

    text = Text(no_wrap=True)
    text.append(f"{local_time(entry.recorded_at)}  ", "dim")
    text.append(f"{entry.status.value:<20} ", _COLOURS.get(entry.status.value, "blue"))
    number = entry.register_number and f"no. {entry.register_number}"
    said = "  ".join(filter(None, (entry.reason, number, entry.person)))
    text.append(f"{entry.unit:<16} {entry.notation}  {said}")
    return text
