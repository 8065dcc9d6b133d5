"""``congvan track``: what became of a dispatch at each addressee, once or until nothing moves any more."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from router.cli.console_output import JsonOption, local_time, print_json, print_table
from router.cli.stats import took
from schemas.clock import now_ms

if TYPE_CHECKING:
    from rich.console import RenderableType

    from router.cli.api_client import ApiClient

app = typer.Typer(add_completion=False)

_NOT_ALL_ARRIVED = 1
_EVERY = 1.0
_COLUMNS = ("unit", "name", "state", "since", "progress", "register", "owed", "reason")
_EPILOG = """Examples:

`congvan track 019b0c5e-7d3a-7c3e-9f6b-2f1d3c4b5a69` · `congvan track ID --watch` · `congvan track ID --json`

With --watch it ends when all have arrived, or when the others do not move by themselves: they wait for a line or for
an operator, or they ended otherwise. With --json each change is a line.

Exit codes: 0 all addressees have it, 1 some have not (or it failed), 2 wrong usage, 3 there is no such dispatch for
this token, 4 refused, 5 the web API is unavailable."""

Dispatch = Mapping[str, Any]


@app.command(epilog=_EPILOG)
def track(
    dispatch_id: Annotated[str, typer.Argument(metavar="ID", help="The id that sending it printed.")],
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow it, looking every second.")] = False,
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds after which --watch ends.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what became of a dispatch at each addressee."""
    try:
        last = asyncio.run(_track(dispatch_id, watch=watch, seconds=timeout, as_json=as_json))
    except KeyboardInterrupt:
        raise typer.Exit(_NOT_ALL_ARRIVED) from None
    if not is_complete(last):
        raise typer.Exit(_NOT_ALL_ARRIVED)


def is_complete(dispatch: Dispatch) -> bool:
    """Whether every addressee has it."""
    return bool(dispatch["arrived"] == len(dispatch["deliveries"]))


def is_settled(dispatch: Dispatch) -> bool:
    """Whether nothing more happens by itself: what has not arrived waits for a line or a person, or has ended."""
    from schemas.states import UNDELIVERED

    return not any(item["state"] in UNDELIVERED and item["next_due_at"] for item in dispatch["deliveries"])


def headline(dispatch: Dispatch) -> str:
    """``40/42 arrived · 1 queued · 1 taken``, with what it is about."""
    total = len(dispatch["deliveries"])
    states = " · ".join(f"{count} {state}" for state, count in dispatch["states"].items())
    return f"{dispatch['notation']} {dispatch['subject']}: {dispatch['arrived']}/{total} arrived · {states}"


def progress(addressee: Mapping[str, Any]) -> str:
    """``62 %, line down since 14:02``: how far it has come while it is on its way; else empty."""
    parts = []
    if addressee["bytes_total"]:
        parts.append(f"{100 * addressee['bytes_held'] // addressee['bytes_total']}%")
    if since := addressee["line_down_since"]:
        parts.append(f"line down since {_clock(since)}")
    return ", ".join(parts)


def owed(addressee: Mapping[str, Any]) -> str:
    """``register by 17:00 (late 2.5 h)``: what has to be done next; empty: nothing more."""
    return "; ".join(
        " ".join(
            (
                item["duty"].replace("_", " "),
                *((f"by {_clock(item['latest'])}",) if item["latest"] else ()),
                *((f"(late {took(item['late_seconds'] * 1000)})",) if item["late_seconds"] else ()),
            )
        )
        for item in addressee.get("owed", ())  # an older router tells none
    )


async def _track(dispatch_id: str, *, watch: bool, seconds: float | None, as_json: bool) -> Dispatch:
    from router.cli.api_client import ApiClient
    from router.settings import RouterSettings

    async with ApiClient(RouterSettings()) as api:
        if not watch:
            seen = await _look(api, dispatch_id)
            _show(seen, as_json=as_json)
            return seen
        looks = _looks(api, dispatch_id, seconds)
        return await (_live(looks) if sys.stdout.isatty() and not as_json else _lines(looks, as_json=as_json))


async def _look(api: "ApiClient", dispatch_id: str) -> dict[str, Any]:
    """The dispatch with all its addressees, page by page."""
    first = page = await api.get(f"/api/v1/dispatches/{dispatch_id}")
    while path := page["next"]:
        page = await api.get(path)
        first["deliveries"] += page["deliveries"]
    return first | {"next": None}


async def _looks(api: "ApiClient", dispatch_id: str, seconds: float | None) -> AsyncIterator[Dispatch]:
    """A look every second, until nothing moves by itself or the time is over."""
    deadline = None if seconds is None else time.monotonic() + seconds
    while True:
        seen = await _look(api, dispatch_id)
        yield seen
        if is_settled(seen) or (deadline is not None and time.monotonic() >= deadline):
            return
        await asyncio.sleep(_EVERY)


async def _live(looks: AsyncIterator[Dispatch]) -> Dispatch:
    """Redraw in place."""
    from rich.live import Live

    seen: Dispatch = {}
    with Live(auto_refresh=False) as live:
        async for seen in looks:
            live.update(_picture(seen), refresh=True)
    return seen


async def _lines(looks: AsyncIterator[Dispatch], *, as_json: bool) -> Dispatch:
    """A line for every change, for a log or a program."""
    seen: Dispatch = {}
    async for look in looks:
        if look != seen:
            print_json([look]) if as_json else print(headline(look), flush=True)
        seen = look
    return seen


def _show(seen: Dispatch, *, as_json: bool) -> None:
    if as_json:
        print_json([seen])
        return
    print(headline(seen))
    print_table(_COLUMNS, _rows(seen))


def _rows(seen: Dispatch) -> list[tuple[str, ...]]:
    return [
        (
            item["unit"],
            item["unit_name"],
            item["state"],
            _local(item["state_at"]),
            progress(item),
            item["register_number"],
            owed(item),
            item["reason"],
        )
        for item in seen["deliveries"]
    ]


def _local(text: str) -> str:
    return local_time(_ms(text))


def _clock(text: str) -> str:
    """The time of a moment of today, else with its day."""
    day, _, clock = local_time(_ms(text)).rpartition(" ")
    short = clock.rpartition(":")[0]
    return short if day == local_time(now_ms()).partition(" ")[0] else f"{day} {short}"


def _ms(text: str) -> int:
    from datetime import datetime

    from schemas.clock import to_ms

    return to_ms(datetime.fromisoformat(text))


def _picture(seen: Dispatch) -> "RenderableType":
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(*_COLUMNS, box=None, header_style="bold", pad_edge=False)
    for row in _rows(seen):
        table.add_row(*map(Text, row))
    return Group(Text(headline(seen), style="bold"), table)
