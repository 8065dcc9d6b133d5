"""``congvan gateway inbox --watch``: what is on its way, drawn anew every second, or a line for every change."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from consumers.cli.showing import entry_fields, how_far, print_json, size_words
from consumers.cli.words import URGENCIES, plainly, say, state_words
from consumers.errors import UnknownDeliveryError
from consumers.reading.coming import Coming, LineNow, coming, line_now
from consumers.reading.inbox import InboxEntry, get_entry
from consumers.spool import Spool
from consumers.spool.scope import UnitScope
from schemas.dispatch import Lane, lane_of
from schemas.states import Status

_EVERY = 1.0
_LATELY = 10
"""Documents that are still shown after they have come."""
_BAR = 30
_NO_GATEWAY = "The gateway does not run: nothing comes."


@dataclass(frozen=True, slots=True)
class Look:
    """What there is to see at one moment: the line, what is on its way, what has come since the beginning."""

    line: LineNow
    coming: Sequence[Coming]
    ended: Sequence[InboxEntry]


def watch_inbox(spool: Spool, *, unit: str, limit: int, seconds: float | None, as_json: bool) -> None:
    """Show what is on its way until Ctrl-C, or for so many seconds.

    Raises:
        SpoolUnavailableError: the spool cannot be read now.
    """
    looks = _looks(spool, unit=unit, limit=limit, seconds=seconds)
    with suppress(KeyboardInterrupt):
        if as_json or not sys.stdout.isatty():
            _print_changes(looks, as_json=as_json)
            return
        with Live(auto_refresh=False) as live:
            for look in looks:
                live.update(picture(look), refresh=True)


def _looks(spool: Spool, *, unit: str, limit: int, seconds: float | None) -> Iterator[Look]:
    deadline = None if seconds is None else time.monotonic() + seconds
    units = UnitScope.whole(unit) if unit else None
    before: dict[str, Coming] = {}
    ended: deque[InboxEntry] = deque(maxlen=_LATELY)
    while True:
        line = line_now(spool.path.parent)
        now = {item.entry.delivery_id: item for item in coming(spool, line, units, limit=limit)}
        ended.extend(_ended(spool, [key for key in before if key not in now]))
        yield Look(line, list(now.values()), list(ended))
        if deadline is not None and time.monotonic() >= deadline:
            return
        before = now
        time.sleep(_EVERY)


def _ended(spool: Spool, keys: Sequence[str]) -> Iterator[InboxEntry]:
    """What became of documents that are no longer on their way; one may have moved behind the last that is shown."""
    for key in keys:
        with suppress(UnknownDeliveryError):
            entry = get_entry(spool, key)
            if entry.state is not Status.TAKEN:
                yield entry


def _print_changes(looks: Iterator[Look], *, as_json: bool) -> None:
    said: dict[str, object] = {}
    for look in looks:
        documents = [(item.entry, item) for item in look.coming] + [(entry, None) for entry in look.ended]
        for entry, here in documents:
            fields = entry_fields(entry, here)
            if said.get(entry.delivery_id) != fields:
                said[entry.delivery_id] = fields
                print_json(fields) if as_json else print("\t".join(_values(entry, here)), flush=True)


def _values(entry: InboxEntry, here: Coming | None) -> tuple[str, ...]:
    standing = _standing(entry, here, plainly)
    return entry.delivery_id, entry.unit, entry.state.value, entry.notation, standing or entry.state.value


def picture(look: Look) -> RenderableType:
    """The screen of one moment."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for item in look.coming:
        table.add_row(*_row(item.entry, ProgressBar(max(item.total, 1), item.held, width=_BAR), item))
        if item.flash_text:
            table.add_row("", "", Text(item.flash_text, style="italic"))
    for entry in look.ended:
        table.add_row(*_row(entry, ProgressBar(1, 1, width=_BAR), None))
    nothing = [] if look.coming or look.ended else [Text(say("Nothing is on its way."))]
    return Group(Text(_of_line(look.line), style="bold"), *nothing, table)


def _row(entry: InboxEntry, bar: ProgressBar, here: Coming | None) -> tuple[RenderableType, ...]:
    style = "bold red" if lane_of(entry.urgency) is Lane.EXPRESS else ""
    urgency = Text(say(URGENCIES[entry.urgency]), style=style)
    return (
        urgency,
        Text(entry.notation, no_wrap=True),
        Text(entry.subject),
        bar,
        Text(_standing(entry, here, say) or state_words(entry.state)),
    )


def _standing(entry: InboxEntry, here: Coming | None, said: Callable[..., str]) -> str:
    """How far it is, and why it waits; empty: it is not on its way any more."""
    if here is None:
        return ""
    words = how_far(here, said) or size_words(here.total)
    return f"{words}: {entry.reason}" if entry.reason else words


def _of_line(line: LineNow) -> str:
    if not line.state:
        return say(_NO_GATEWAY)
    rate = f", {size_words(round(line.rate))}/s" if line.rate else ""
    return say("Line %(state)s", state=say(f"line {line.state.replace('_', ' ')}").removeprefix("line ")) + rate
