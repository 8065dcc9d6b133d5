"""``congvan gateway outbox``: what the units of this gateway send, and how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from consumers.cli.options import AsJson, DataDir
from schemas.stages import Stage

if TYPE_CHECKING:  # for names alone: the help must not wait for the database's library
    from consumers.spool.sending import SentDocument

_HEADINGS = ("id", "taken", "issuer", "state", "urgency", "number", "subject", "up", "of", "dispatch", "why")
_WIDE = 160
"""Characters of a terminal on which every column has room."""
_ON_A_SMALL_SCREEN = tuple(map(_HEADINGS.index, ("number", "subject", "state", "taken")))
_NEVER_WRAPPED = frozenset({"number", "state", "taken"})
EPILOG = (
    "Examples: congvan gateway outbox · congvan gateway outbox --state rejected --json. Exit codes: 0 shown "
    "(also when it is empty), 3 no gateway has run here, 5 the spool cannot be read now."
)


def outbox(
    state: Annotated[
        list[Stage] | None, typer.Option(help="In this state only; may be given more than once.", metavar="STATE")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List what was sent from here, newest first: waiting (and how much of it is up), accepted, rejected (and why).

    What people put into the outbox folder is listed when the gateway has taken it, some seconds later.
    """
    from consumers.cli.options import opened_spool
    from consumers.spool import sending

    with opened_spool(data_dir) as spool, spool.reading() as conn:
        found = sending.listed(conn, stages=state or (), limit=limit)
    _show(found, as_json=as_json)


def _show(found: list[SentDocument], *, as_json: bool) -> None:
    import sys

    if as_json:
        import orjson

        for item in found:
            print(orjson.dumps(fields_of(item)).decode())
    elif sys.stdout.isatty():
        _print_table(found)
    else:
        for line in (_HEADINGS, *(_words(item) for item in found)):
            print("\t".join(line))


def fields_of(item: SentDocument) -> dict[str, Any]:
    """A document as one JSON object."""
    from dataclasses import asdict

    from schemas.clock import iso

    return asdict(item) | {"taken_at": iso(item.taken_at), "state_at": iso(item.state_at)}


def _print_table(found: list[SentDocument]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from consumers.cli.words import URGENCIES, moment_words, say

    if not found:
        print(say("Nothing was sent from here."))
        return
    console = Console()
    is_wide = console.width >= _WIDE
    table = Table(box=None, pad_edge=False)
    shown = range(len(_HEADINGS)) if is_wide else _ON_A_SMALL_SCREEN
    for name in (_HEADINGS[place] for place in shown):
        table.add_column(say(name), no_wrap=name in _NEVER_WRAPPED)
    for item in found:
        cells = [Text(word) for word in _words(item)]
        cells[1] = Text(moment_words(item.taken_at, with_year=is_wide))
        cells[3] = Text(say(item.state))
        cells[4] = Text(say(URGENCIES[item.urgency]))
        if not is_wide:
            cells[6].append(f" ({cells[4].plain}; {cells[7].plain}/{cells[8].plain})", style="dim")
            if item.reason:
                cells[6].append(f"\n{cells[10].plain}", style="dim")
        table.add_row(*(cells[place] for place in shown))
    console.print(table)


def _words(item: SentDocument) -> tuple[str, ...]:
    from consumers.cli.showing import URGENCY_WORDS, local_time, size_words

    up = item.size if item.state == Stage.ACCEPTED else item.done
    return (
        item.id,
        local_time(item.taken_at),
        item.issuer,
        item.state,
        URGENCY_WORDS[item.urgency],
        item.notation,
        item.subject or item.name,
        size_words(up),
        size_words(item.size),
        item.dispatch_id or "",
        item.reason.replace("\n", " · "),
    )
