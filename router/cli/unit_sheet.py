"""``congvan units show``: everything that is known of one unit, read from the ledger itself."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from router.cli.console_output import EXIT_CODES, JsonOption, local_time, open_ledger, print_json, print_table
from router.cli.lines import HOURS, SpanChoice
from router.cli.stats import took
from schemas.clock import day_at, now_ms, start_of_day

if TYPE_CHECKING:
    from router.ledger.acts.stuck_care import Care
    from router.ledger.people.accounts import AccountRow
    from router.ledger.queries import LineSheet, UnitSheet

SHOW_EPILOG = f"""Examples:

`congvan units show LCA.02.05` · `congvan units show LCA.02 --span 30d`: its outages of a month

`congvan units show LCA.02.05 --json`: one object: `unit`, `line`, `waiting`, `entries`, `below`, `account` …

{EXIT_CODES} Here 3: there is no such unit."""
_NOT_FOUND = 3
_HOUR_MS = 3_600_000
CodeArgument = Annotated[str, typer.Argument(metavar="CODE", help="The unit.")]


def show(
    code: CodeArgument,
    span: Annotated[SpanChoice, typer.Option(help="How far back its line is looked at.")] = SpanChoice.WEEK,
    as_json: JsonOption = False,
) -> None:
    """Show a unit: its line and gateway, what waits for it, its latest receipts, the units below it."""
    from router.ledger import queries
    from router.ledger.acts.stuck_care import cares_of_unit
    from router.ledger.engine import reading
    from router.ledger.queries import Span
    from router.ledger.scope import EVERYTHING
    from schemas.zone import zone

    now, timezone = now_ms(), zone().key
    today = start_of_day(now, timezone)
    with open_ledger() as engine, reading(engine) as conn:
        sheet = queries.unit_sheet(conn, EVERYTHING, code, now_ms=now, today=today)
        line = queries.line_sheet(conn, EVERYTHING, code, Span(now - HOURS[span] * _HOUR_MS, now, now))
        cares = cares_of_unit(conn, EVERYTHING, code, day=day_at(now, timezone))
    if sheet is None:
        typer.echo(f"congvan: there is no unit {code}; `congvan units tree` shows all", err=True)
        raise typer.Exit(_NOT_FOUND)
    if as_json:
        print_json([_as_object(sheet, line) | {"cares": [asdict(care) for care in cares]}])
    else:
        _print(sheet, line, span, cares, now)


def _as_object(sheet: "UnitSheet", line: "LineSheet | None") -> dict[str, Any]:
    account = sheet.account and _account(sheet.account)
    return asdict(sheet) | {"line": line and asdict(line), "account": account}


def _account(account: "AccountRow") -> dict[str, Any]:
    """Without what its token is kept as."""
    return {"name": account.name, "created_at": account.created_at, "expires_at": account.expires_at}


def _print(sheet: "UnitSheet", line: "LineSheet | None", span: SpanChoice, cares: "Sequence[Care]", now: int) -> None:
    print(f"{sheet.unit.code}  {sheet.unit.name}")
    cared = [("care", f"{care.owner} since {local_time(care.at)}: {care.note}") for care in cares]
    for name, value in (*_of_unit(sheet, now), *cared, *_of_line(line, span)):
        print(f"  {name:<12}{value}")
    if sheet.waiting:
        rows = [(it.id, it.notation, it.state.value, local_time(it.state_at), it.reason) for it in sheet.waiting]
        print_table(("waiting", "notation", "state", "since", "reason"), rows)
    if sheet.entries:
        log = [(local_time(it.recorded_at), it.status.value, it.notation, it.reason) for it in sheet.entries]
        print_table(("recorded", "status", "notation", "reason"), log)
    if sheet.below:
        below = [(it.code, it.name, it.load.waiting, local_time(it.load.oldest_at)) for it in sheet.below]
        print_table(("below", "name", "waiting", "oldest"), below)


def _of_unit(sheet: "UnitSheet", now: int) -> Iterator[tuple[str, str]]:
    unit, load = sheet.unit, sheet.unit.load
    yield "kind", f"{unit.kind}, {unit.link}"
    waits = f"{load.waiting} with what is below, {load.parked} parked"
    yield "waiting", f"{waits}, oldest {local_time(load.oldest_at)}" if load.oldest_at else waits
    yield "today", f"{load.delivered_today} arrived"
    if sheet.not_registered:
        yield "people", f"{sheet.not_registered} not registered, since {local_time(sheet.not_registered_since)}"
    if unit.paused_at is not None:
        yield "paused", f"since {local_time(unit.paused_at)} by {unit.paused_by}: {unit.paused_why}"
    if unit.muted_until is not None and unit.muted_until > now:
        yield "muted", f"until {local_time(unit.muted_until)} by {unit.muted_by}: {unit.muted_why}"
    if unit.valid_to is not None:
        yield "until", f"{unit.valid_to}{f', then {unit.successor}' if unit.successor else ''}"
    yield from _of_gateways(sheet)
    if sheet.copy is not None:
        pieces = len(sheet.copy.pieces)
        yield "books", f"copied {local_time(sheet.copy.at)}, encrypted, {sheet.copy.size} B in {pieces} pieces"
    expires = sheet.account and sheet.account.expires_at
    yield "token", "none" if sheet.account is None else f"until {local_time(expires)}" if expires else "does not end"


def _of_gateways(sheet: "UnitSheet") -> Iterator[tuple[str, str]]:
    from schemas.reasons import WORDS, known_code

    if sheet.trouble is not None:
        known = known_code(sheet.trouble.code)
        what = WORDS[known].en if known else sheet.trouble.code
        yield "hand-over", f"fails since {local_time(sheet.trouble.since)}: {what}: {sheet.trouble.why}"
        if known:
            yield "to do", WORDS[known].advice_en
    for row in sheet.gateways:
        room = "" if row.disk_free is None else f", {row.disk_free} B free"
        if row.certificate_ends_at is not None:
            room += f", the {row.certificate} certificate ends {local_time(row.certificate_ends_at)}"
        if row.works:
            yield "spool", f"{row.id}, heard of {local_time(row.heard_at)}{room}"
        else:
            yield "second", f"{row.id} ({row.account}) stands by since {local_time(row.refused_at)}{room}"


def _of_line(sheet: "LineSheet | None", span: SpanChoice) -> Iterator[tuple[str, str]]:
    if sheet is None:
        yield "line", "its gateway never said how it stands"
        return
    line, down = sheet.line, sheet.downtime
    yield "line", f"{line.state.value} since {local_time(line.since)}, heard of {local_time(line.heard_at)}"
    yield "outages", f"{down.outages} in {span.value}, {took(down.down_ms)}"
    yield "rate", f"{_rate(line.rate_down)} down, {_rate(line.rate_up)} up"
    yield "gateway", f"{line.gateway_version or 'unknown version'}, clock {line.clock_skew_ms:+d} ms"


def _rate(rate: int | None) -> str:
    return "not measured" if rate is None else f"{rate} B/s"
