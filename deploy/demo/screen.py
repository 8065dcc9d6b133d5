"""What the demonstration shows: a live table on a terminal, plain lines elsewhere, and the roll-up at the end."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from deploy.demo.follow import ARRIVED, Addressee, Followed
from schemas.clock import to_ms
from schemas.zone import local_time

_SHOWN_RECEIPTS = 12
_NAMED_UNITS = 6
_REASONS = {"no_line": "for no line leads there"}


class DemoScreen:
    """Shows receipts as they come."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._latest: deque[str] = deque(maxlen=_SHOWN_RECEIPTS)
        self._live: Live | None = None

    @contextmanager
    def live(self) -> Iterator[None]:
        """On a terminal the block's updates overwrite one another; elsewhere they are lines."""
        if not self._console.is_terminal:
            yield
            return
        with Live(console=self._console, refresh_per_second=8) as self._live:
            yield
        self._live = None

    def say(self, line: str) -> None:
        """A line of its own."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def update(self, dispatches: Sequence[Followed], receipts: Iterable[tuple[Followed, dict[str, Any]]]) -> None:
        """Show new receipts and where each dispatch stands."""
        for followed, receipt in receipts:
            line = receipt_line(followed, receipt)
            self._latest.append(line)
            if self._live is None and receipt["status"] == ARRIVED:
                self.say(line)
        if self._live is not None:
            self._live.update(self._picture(dispatches))

    def roll_up(self, followed: Followed) -> None:
        """One dispatch at its end: how many have it, who waits and why."""
        total = len(followed.addressees)
        self.say(f"{followed.notation}  {followed.title}: {followed.arrived}/{total} arrived")
        by_reason = sorted(followed.waiting, key=lambda item: (item.state, item.reason))
        for (state, reason), items in groupby(by_reason, key=lambda item: (item.state, item.reason)):
            waiting = list(items)
            self.say(f"    {len(waiting)} {state}, {_REASONS.get(reason, reason)}: {_names(waiting)}")

    def _picture(self, dispatches: Sequence[Followed]) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        for item in dispatches:
            reachable = len(item.addressees) - len(item.waiting)
            bar = ProgressBar(total=max(reachable, 1), completed=item.arrived, width=40)
            counts = f"{item.arrived}/{reachable} arrived, {len(item.waiting)} waiting for a line"
            table.add_row(item.notation, bar, counts if item.addressees else "sent")
        return Group(table, Text("\n".join(self._latest), style="dim"))


def receipt_line(followed: Followed, receipt: dict[str, Any]) -> str:
    """A receipt as a line: when, what, by whom."""
    name = next((item.name for item in followed.addressees if item.unit == receipt["unit"]), "")
    moment = local_time(to_ms(datetime.fromisoformat(receipt["recorded_at"]))).partition(" ")[2]
    return f"{moment}  {followed.notation:<12} {receipt['status']:<10} {receipt['unit']:<10} {name}"


def _names(items: Sequence[Addressee]) -> str:
    shown = ", ".join(f"{item.unit} {item.name}" for item in items[:_NAMED_UNITS])
    rest = len(items) - _NAMED_UNITS
    return f"{shown} and {rest} more" if rest > 0 else shown
