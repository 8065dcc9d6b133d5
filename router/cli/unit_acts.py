"""``congvan units pause|open|mute|retire``: what operators do with units, each with its reason in the audit log."""

import getpass
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.console_output import EXIT_CODES, JsonOption, future_moment, open_ledger, print_json
from schemas.clock import now_ms

if TYPE_CHECKING:
    from datetime import date

    from sqlalchemy import Connection

    from router.ledger.unit_acts import By, Done

_CODES = f"{EXIT_CODES} Here 3: there is no such unit."
PAUSE_EPILOG = f"""Examples:

`congvan units pause LCA.02.05 LCA.02.07 --reason 'the office moves'`

`congvan units pause 'LCA.02.#' --reason 'the district moves to a new network'`

{_CODES}"""
OPEN_EPILOG = f"""Example: `congvan units open LCA.02.05 --reason 'the office has moved'`

{_CODES}"""
MUTE_EPILOG = f"""Examples:

`congvan units mute LCA.02.05 --until 3d --reason 'the line is being mended'`

`congvan units mute LCA.02.05 --until 2026-12-01 --reason 'closed until then'`

{_CODES}"""
RETIRE_EPILOG = f"""Example: `congvan units retire LCA.02.05 --last-day 2026-12-31 --successor LCA.02.06 --reason QĐ-12`

{_CODES} 2: the organisation would not hold together."""
TAKE_OVER_EPILOG = f"""Example: `congvan units take-over LCA.02.05 --reason 'the old computer is broken but still on'`

A gateway that is set up anew needs no such word where the old one is silent: it works after three missing hellos.

{EXIT_CODES} Here 3: there is no such unit, or no second gateway; 4: several stand by."""
CodeArgument = Annotated[str, typer.Argument(metavar="CODE", help="The unit.")]
UnitsArgument = Annotated[
    list[str], typer.Argument(metavar="UNIT…", help="Units, or LCA.02.# for one with all below it.")
]
ReasonOption = Annotated[str, typer.Option(help="Why; kept in the audit log. Required.")]


def pause(units: UnitsArgument, reason: ReasonOption = "", as_json: JsonOption = False) -> None:
    """Send nothing new to units: their documents wait, visibly, until they are opened."""
    from router.ledger import unit_acts

    def act(conn: "Connection", by: "By") -> "Done":
        return unit_acts.pause(conn, unit_acts.named(conn, units), by)

    _do(act, reason, "is paused", "was paused already", as_json=as_json)


def open_again(units: UnitsArgument, reason: ReasonOption = "", as_json: JsonOption = False) -> None:
    """End the pause and the mute of units; what waited is sent."""
    from router.ledger import unit_acts

    def act(conn: "Connection", by: "By") -> "Done":
        return unit_acts.open_again(conn, unit_acts.named(conn, units), by)

    _do(act, reason, "is open", "was open", as_json=as_json)


def mute(
    units: UnitsArgument,
    until: Annotated[str, typer.Option(metavar="WHEN", help="Until then: 3d, 2026-12-01, 2026-12-01T08:00.")],
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Have units call for nobody's attention for a while; their documents go on and stay listed."""
    from router.ledger import unit_acts

    until_ms = future_moment(until)

    def act(conn: "Connection", by: "By") -> "Done":
        return unit_acts.mute(conn, unit_acts.named(conn, units), until_ms, by)

    _do(act, reason, "is muted", "was so", as_json=as_json)


def retire(
    code: CodeArgument,
    last_day: Annotated[str, typer.Option(help="The last day on which it exists, as 2026-12-31.")],
    successor: Annotated[str, typer.Option(metavar="CODE", help="The unit that takes its documents after it.")] = "",
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let a unit exist up to a day; its history stays."""
    from router.ledger import unit_acts

    day = _day(last_day)
    _do(
        lambda conn, by: unit_acts.retire(conn, code, day, successor or None, by),
        reason,
        f"exists until {day}",
        "was retired so already",
        as_json=as_json,
    )


def take_over(
    code: CodeArgument,
    spool: Annotated[str, typer.Option(metavar="ID", help="Which, where several stand by: its spool.")] = "",
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let a unit's second gateway work for it in the place of the first, which stands by from then on."""
    from router.ledger import unit_acts

    _do(
        lambda conn, by: unit_acts.take_over(conn, code, spool, by),
        reason,
        "is worked for by the other gateway",
        "",
        as_json=as_json,
    )


def _do(act: "Callable[[Connection, By], Done]", reason: str, done: str, was: str, *, as_json: bool) -> None:
    from router.ledger.engine import writing
    from router.ledger.unit_acts import MAX_REASON, By

    why = reason.strip()
    if not why or len(why) > MAX_REASON:
        raise typer.BadParameter(f"say why, in at most {MAX_REASON} characters", param_hint="--reason")
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    with open_ledger() as engine, writing(engine) as conn:
        result = act(conn, By(who, why, now_ms()))
    if as_json:
        print_json([result])
        return
    for code in result.changed:
        print(f"{code} {done}")
    for code in result.unchanged:
        print(f"{code} {was}")
    if result.held or result.released:
        print(f"deliveries that wait from now on: {result.held}; that are sent now: {result.released}")


def _day(text: str) -> "date":
    from datetime import date

    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no day; write it as 2026-12-31", param_hint="--last-day") from error
