"""``congvan units pause|open|mute|retire|keep``: what operators do with units, each with its reason."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.console_output import (
    EXIT_CODES,
    JsonOption,
    future_moment,
    local_time,
    open_ledger,
    person_here,
    print_json,
    print_table,
)
from schemas.clock import now_ms, today

if TYPE_CHECKING:
    from datetime import date

    from sqlalchemy import Connection

    from router.ledger.people.audit import By
    from router.ledger.units.leftovers import Settled
    from router.ledger.units.unit_acts import Done

_SHOWN = 20
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
WAITING_EPILOG = f"""Example: `congvan units waiting LCA.02.05`

{EXIT_CODES}"""
HAND_ON_EPILOG = f"""Examples:

`congvan units hand-on LCA.02.05 --reason 'Decision 12'`: to its successor

`congvan units hand-on LCA.02.05 --to LCA.02.06 --reason 'Decision 12'`

{_CODES} 4: the unit still exists, or there is nobody to hand on to."""
GIVE_UP_EPILOG = f"""Example: `congvan units give-up LCA.02.05 --reason 'abolished, nobody takes its documents'`

{_CODES} 4: the unit still exists."""
KEEP_EPILOG = f"""Example: `congvan units keep LCA.02.05 --reason 'the decision was taken back'`

{_CODES} 4: its last day has passed."""
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
    from router.ledger.units import unit_acts

    def act(conn: "Connection", by: "By") -> "Done":
        return unit_acts.pause(conn, unit_acts.named(conn, units), by)

    _do(act, reason, "is paused", "was paused already", as_json=as_json)


def open_again(units: UnitsArgument, reason: ReasonOption = "", as_json: JsonOption = False) -> None:
    """End the pause and the mute of units; what waited is sent."""
    from router.ledger.units import unit_acts

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
    from router.ledger.units import unit_acts

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
    """Let a unit exist up to a day that is still to come; its history stays. Says what hangs on the unit."""
    from router.ledger.units import unit_acts

    day, today = _day(last_day), _today()

    def act(conn: "Connection", by: "By") -> "Done":
        _tell_what_follows(conn, code, today, as_json=as_json)
        return unit_acts.retire(conn, code, day, successor or None, by, today=today)

    _do(
        act,
        reason,
        f"exists until {day}",
        "was retired so already",
        as_json=as_json,
    )
    _warn_of_waiting(code, successor)


def waiting(code: CodeArgument, as_json: JsonOption = False) -> None:
    """List what a unit has not got yet: what is on its way, parked or expired."""
    from router.ledger.engine import reading
    from router.ledger.units.leftovers import leftovers

    with open_ledger() as engine, reading(engine) as conn:
        found = leftovers(conn, code)
    if as_json:
        print_json(found)
    elif found:
        columns = "delivery", "state", "accepted", "notation", "subject"
        rows = ((it.delivery_id, it.state.value, local_time(it.created_at), it.notation, it.subject) for it in found)
        print_table(columns, rows)
    else:
        print(f"nothing waits for {code}")


def hand_on(
    code: CodeArgument,
    to: Annotated[str, typer.Option(metavar="CODE", help="The unit to send to; without it, the successor.")] = "",
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Send what waits for a unit that exists no more to the unit that took over from it."""
    from router.ledger.units.leftovers import hand_on as send_on

    _settle(lambda conn, by, day: send_on(conn, code, to, by, day=day), reason, as_json=as_json)


def give_up(code: CodeArgument, reason: ReasonOption = "", as_json: JsonOption = False) -> None:
    """End what waits for a unit that exists no more; nobody gets it."""
    from router.ledger.units.leftovers import give_up as end

    _settle(lambda conn, by, day: end(conn, code, by, day=day), reason, as_json=as_json)


def _settle(act: "Callable[[Connection, By, date], Settled]", reason: str, *, as_json: bool) -> None:
    from router.ledger.engine import writing
    from schemas.zone import zone

    by = _by(reason)
    with open_ledger() as engine, writing(engine) as conn:
        done = act(conn, by, today(zone().key))
    if as_json:
        print_json([done])
        return
    if done.heir:
        print(
            f"handed on to {done.heir}: {len(done.handed_on)}; it has already, or they are recalled: {len(done.ended)}"
        )
    else:
        print(f"ended: {len(done.ended)}")
    if done.left:
        print(f"left, as their attachments were removed when they had ended: {len(done.left)}")


def _warn_of_waiting(code: str, successor: str) -> None:
    """What is on its way to a unit that will be gone, on the error stream so that the output stays what it was."""
    from router.ledger.engine import reading
    from router.ledger.units.leftovers import leftovers

    with open_ledger() as engine, reading(engine) as conn:
        found = leftovers(conn, code)
    if not found:
        return
    way = f"congvan units hand-on {code}" + ("" if successor else " --to CODE")
    print(f"congvan: {len(found)} deliveries wait for {code}; what has not arrived by then is stuck:", file=sys.stderr)
    for it in found[:_SHOWN]:
        print(f"  {it.delivery_id}  {it.state.value}  {it.notation}  {it.subject}", file=sys.stderr)
    if len(found) > _SHOWN:
        print(f"  … `congvan units waiting {code}` lists all", file=sys.stderr)
    print(f"  after its last day `{way}` sends them on, `congvan units give-up {code}` ends them", file=sys.stderr)


def keep(code: CodeArgument, reason: ReasonOption = "", as_json: JsonOption = False) -> None:
    """Take a unit's retirement back, as long as its last day has not passed."""
    from router.ledger.units import unit_acts

    today = _today()
    _do(
        lambda conn, by: unit_acts.keep(conn, code, by, today=today),
        reason,
        "goes on",
        "was not retired",
        as_json=as_json,
    )


def _today() -> "date":
    """The day where the installation is."""
    from schemas.zone import zone

    return today(zone().key)


def _tell_what_follows(conn: "Connection", code: str, today: "date", *, as_json: bool) -> None:
    from router.ledger import queries
    from router.ledger.scope import EVERYTHING

    found = queries.retiring(conn, EVERYTHING, code, today=today, now_ms=now_ms())
    lines = {
        "deliveries it does not have yet": found.undelivered,
        "of them in its queues": found.queued,
        "arrived and not registered": found.not_registered,
        "units below it, which go on": found.below,
        "units that hand on to it": ", ".join(found.hands_on_to_it),
        "gateway accounts good for it": ", ".join(found.accounts),
    }
    for name, value in lines.items():
        if value:
            typer.echo(f"{name}: {value}", err=as_json)


def take_over(
    code: CodeArgument,
    spool: Annotated[str, typer.Option(metavar="ID", help="Which, where several stand by: its spool.")] = "",
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let a unit's second gateway work for it in the place of the first, which stands by from then on."""
    from router.ledger.units import unit_acts

    _do(
        lambda conn, by: unit_acts.take_over(conn, code, spool, by),
        reason,
        "is worked for by the other gateway",
        "",
        as_json=as_json,
    )


def _do(act: "Callable[[Connection, By], Done]", reason: str, done: str, was: str, *, as_json: bool) -> None:
    from router.ledger.engine import writing

    by = _by(reason)
    with open_ledger() as engine, writing(engine) as conn:
        result = act(conn, by)
    if as_json:
        print_json([result])
        return
    for code in result.changed:
        print(f"{code} {done}")
    for code in result.unchanged:
        print(f"{code} {was}")
    if result.held or result.released:
        print(f"deliveries that wait from now on: {result.held}; that are sent now: {result.released}")


def _by(reason: str) -> "By":
    from router.ledger.people.audit import MAX_REASON, By

    why = reason.strip()
    if not why or len(why) > MAX_REASON:
        raise typer.BadParameter(f"say why, in at most {MAX_REASON} characters", param_hint="--reason")
    return By(person_here(), why, now_ms())


def _day(text: str) -> "date":
    from datetime import date

    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no day; write it as 2026-12-31", param_hint="--last-day") from error
