"""``congvan log``: the delivery log, read from the ledger itself, so that it also works while the router is down.

``congvan log verify`` and ``checkpoint``, which are of the same log as it is hashed, stand in ``proving``.
"""

import re
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli import proving
from router.cli.console_output import EXIT_CODES, JsonOption, local_time, open_ledger, past_moment, print_json
from schemas.states import Status

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from router.ledger.queries import Filter, LogEntry

app = typer.Typer(add_completion=False)
app.command(name="verify", epilog=proving.VERIFY_EPILOG)(proving.verify)
app.command(name="checkpoint", epilog=proving.CHECKPOINT_EPILOG)(proving.checkpoint)

_LOOK_EVERY = 0.5
_EPILOG = f"""Examples:

`congvan log -f`: the last entries, then what comes, until Ctrl-C

`congvan log --unit 'LCA.02.#' --state parked --state refused --since 2d`: what went wrong in a district

`congvan log --since 2026-11-22 --json`: for another program; times are UTC milliseconds

{EXIT_CODES}"""


@app.callback(invoke_without_command=True, epilog=_EPILOG)
def log(
    ctx: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on showing what is recorded.")] = False,
    unit: Annotated[str, typer.Option(metavar="PATTERN", help="Only this unit, or a subtree as LCA.02.#.")] = "",
    state: Annotated[list[Status] | None, typer.Option(help="Only this status; may be repeated.")] = None,
    since: Annotated[str, typer.Option(metavar="WHEN", help="Only since then: 30m, 2d, 2026-11-22T08:00.")] = "",
    dispatch: Annotated[str, typer.Option(metavar="ID", help="Only of this dispatch.")] = "",
    last: Annotated[
        int, typer.Option("--last", "-n", min=0, help="How many entries at first; with --since, all.")
    ] = 50,
    as_json: JsonOption = False,
) -> None:
    """Show the delivery log, newest last."""
    if ctx.invoked_subcommand is not None:
        return
    from router.ledger.queries import Filter

    moment = past_moment(since) if since else None
    wanted = Filter((require_pattern(unit),) if unit else (), frozenset(state or ()), dispatch, moment)
    with open_ledger() as engine:
        if follow:
            with suppress(KeyboardInterrupt):
                _follow(engine, wanted, last, as_json=as_json)
        else:
            _show_once(engine, wanted, last, as_json=as_json)


def require_pattern(text: str) -> str:
    """The unit pattern as given.

    Raises:
        typer.BadParameter: it is none.
    """
    from schemas.codes import PATTERN_REGEX

    if text and not re.fullmatch(PATTERN_REGEX, text):
        raise typer.BadParameter(f"{text!r} is no unit pattern; write LCA.02.05, or LCA.02.# for a subtree")
    return text


def _show_once(engine: "Engine", wanted: "Filter", last: int, *, as_json: bool) -> None:
    from router.ledger.engine import reading
    from router.ledger.queries import read_log
    from router.ledger.scope import EVERYTHING

    with reading(engine) as conn:
        if wanted.since is None:
            _print(read_log(conn, EVERYTHING, wanted, limit=last), as_json=as_json)
            return
        place = 0
        while page := read_log(conn, EVERYTHING, wanted, after=place):
            _print(page, as_json=as_json)
            place = page[-1].pos


def _follow(engine: "Engine", wanted: "Filter", last: int, *, as_json: bool) -> None:
    from router.errors import LedgerUnavailableError
    from router.ledger.engine import reading
    from router.ledger.queries import Follower
    from router.ledger.scope import EVERYTHING

    follower = Follower(EVERYTHING, wanted, first=last)
    away = False
    while True:
        try:
            with reading(engine) as conn:
                entries = follower.read(conn)
            away = False
        except LedgerUnavailableError as error:
            entries = []
            if not away:
                print(f"congvan: {error}; waiting for it", file=sys.stderr)
            away = True
        _print(entries, as_json=as_json)
        time.sleep(_LOOK_EVERY)


def _print(entries: Iterable["LogEntry"], *, as_json: bool) -> None:
    if as_json:
        print_json(entries)
        return
    for entry in entries:
        print(_line(entry), flush=True)


def _line(entry: "LogEntry") -> str:
    said = [entry.reason, entry.register_number and f"no. {entry.register_number}", entry.person]
    mark = "" if entry.effect == "advance" else f" ({entry.effect})"
    fixed = f"{local_time(entry.recorded_at)}  {entry.status + mark:<20} {entry.unit:<16} {entry.notation}"
    return "  ".join(filter(None, (fixed, *said)))
