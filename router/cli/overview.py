"""``congvan overview``: what is undelivered now and what needs attention, read from the ledger itself."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import typer

from router.cli.console_output import (
    EXIT_CODES,
    JsonOption,
    local_time,
    older_than_gateways,
    open_ledger,
    print_json,
    print_table,
)
from router.cli.stats import took
from schemas.clock import now_ms

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from router.ledger.queries import Group, Overview
    from router.ledger.recovery.forgotten import Forgotten
    from router.rules.outages import LineState

app = typer.Typer(add_completion=False)

_EPILOG = f"""Examples:

`congvan overview`: the six numbers of the console's first page, and what needs attention by its cause

`congvan overview --json`: one object; times are UTC milliseconds

{EXIT_CODES}"""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How everything stands at one moment (UTC ms)."""

    at: int
    figures: "Overview"
    lines: "Mapping[LineState, int]"
    attention: "list[Group]"
    forgotten: "Forgotten"

    def as_object(self) -> dict[str, Any]:
        """The same as plain values."""
        lines = {state.value: count for state, count in self.lines.items()}
        groups = [asdict(group) for group in self.attention]
        told = {"at": self.at, **asdict(self.figures), "lines": lines, "attention": groups}
        return told | {"forgotten": asdict(self.forgotten)}

    def numbers(self) -> list[tuple[str, str]]:
        """The numbers of the console's first page, with their names."""
        figures, down = self.figures, self.lines_down
        oldest = "-" if figures.oldest_at is None else took(self.at - figures.oldest_at)
        return [
            ("undelivered", str(figures.undelivered)),
            ("oldest on its way", oldest),
            ("retrying", str(figures.retrying)),
            ("parked", str(figures.parked)),
            ("lines down", f"{down} of {sum(self.lines.values())}"),
            ("overdue", str(figures.overdue)),
            ("late", str(figures.late)),
        ]

    @property
    def is_incident(self) -> bool:
        """Whether so many lines are down that they rather share a cause."""
        from router.ledger.queries import is_incident

        return is_incident(self.lines)

    @property
    def lines_down(self) -> int:
        """How many lines are down."""
        return sum(count for state, count in self.lines.items() if state.value == "down")


def look(conn: "Connection") -> Snapshot:
    """How everything stands now."""
    from router.ledger import queries
    from router.ledger.recovery import forgotten
    from router.ledger.scope import EVERYTHING

    now = now_ms()
    return Snapshot(
        at=now,
        figures=queries.overview(conn, EVERYTHING, now_ms=now),
        lines=queries.count_lines(conn, EVERYTHING),
        attention=queries.attention(conn, EVERYTHING, now_ms=now),
        forgotten=forgotten.summary(conn),
    )


@app.command(epilog=_EPILOG)
def overview(as_json: JsonOption = False) -> None:
    """Show what is undelivered now and what needs attention."""
    from router.ledger.engine import reading

    with open_ledger() as engine, reading(engine) as conn:
        standing = look(conn)
    if as_json:
        print_json([standing.as_object()])
        return
    for name, number in standing.numbers():
        print(f"{name:<18} {number}")
    if standing.is_incident:
        print("\nan incident: at least half of all lines are down; rather a cause they share than each by itself")
    if standing.forgotten.deliveries:
        print(f"\n{older_than_gateways(standing.forgotten)}: see `congvan ledger recover`")
    if standing.attention:
        print()
        columns = "needs attention", "units", "deliveries", "since", "one reason"
        print_table(columns, [attention_row(group) for group in standing.attention])


def attention_row(group: "Group") -> tuple[str, ...]:
    """A group as cells: cause, units, deliveries, since when, and the reason that was given."""
    return group.cause.value, str(group.units), str(group.deliveries), local_time(group.since), group.reason
