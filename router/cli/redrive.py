"""``congvan redrive``: have parked or expired deliveries sent again by a job that the router carries out."""

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.console_output import (
    EXIT_CODES,
    JsonOption,
    local_time,
    open_ledger,
    person_here,
    print_json,
    print_table,
)
from schemas.clock import now_ms
from schemas.retry import WATCH_SECONDS

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from router.ledger.queries import Filter
    from router.ledger.redrives.authority import Authority
    from router.ledger.redrives.making import DryRun
    from router.ledger.redrives.reading import RedriveJob

app = typer.Typer(add_completion=False)

_FAILED, _REFUSED = 1, 4
_LOOK_EVERY = 0.25
_TAKEN_UP_WITHIN = 15.0
_MOST_PER_MINUTE, _LONGEST_WATCH = 6000, 86_400
_EPILOG = f"""Examples (quote the filter; the console's page Help lists its tokens):

`congvan redrive 'state:parked unit:LCA.02.#' --dry-run`: how many would be sent again in a district, and what is
skipped

`congvan redrive 'state:parked reason:"HTTP 507"' --canary --reason 'the disk was freed'`: one, then ten, then the rest

`congvan redrive 'is:expired since:7d' --rate 30/min --reason 'still needed'`: evenly

`congvan redrive delivery:019b0c5e-7d3a-7c3e-9f6b-2f1d3c4b5a69 --reason 'the disk was freed'`: one delivery

It is shown until it ends; Ctrl-C leaves it going on. `congvan redrives` pauses, resumes and cancels.

{EXIT_CODES} Here 1: it stopped at a failure; 3: nothing fits; 4: somebody paused or cancelled it."""


@app.command(epilog=_EPILOG)
def redrive(
    wanted: Annotated[str, typer.Argument(metavar="FILTER", help="Which: state:, unit:, reason:, since:, document: …")],
    reason: Annotated[str, typer.Option(help="Why it may work now; kept in receipts and audit. Required.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be sent again.")] = False,
    canary: Annotated[bool, typer.Option("--canary", help="One, then ten, then the rest.")] = False,
    rate: Annotated[str, typer.Option(metavar="N/min", help="So many per minute.")] = "",
    watch: Annotated[
        int, typer.Option(min=1, max=_LONGEST_WATCH, help="Seconds for which each is watched.")
    ] = WATCH_SECONDS,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait for its end.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Send parked or expired deliveries again; the first that comes back stops it."""
    if not dry_run and not reason.strip():
        raise typer.BadParameter("say why it may work now; it is kept in the receipts", param_hint="--reason")
    if canary and rate:
        raise typer.BadParameter("either --canary or --rate")
    per_minute = _per_minute(rate) if rate else None
    cut_at = now_ms()
    found = _read(wanted, cut_at)
    with open_ledger() as engine:
        run = _try(engine, found, cut_at)
        if dry_run:
            _show_run(run, cut_at, as_json=as_json)
            return
        key = _make(engine, wanted, found, cut_at, reason.strip(), canary=canary, per_minute=per_minute, watch=watch)
        job = _look(engine, key) if detach else follow(engine, key, as_json=as_json)
    if detach:
        _show(job, as_json=as_json)
    raise typer.Exit(0 if detach else ending(job))


def terminal() -> "Authority":
    """On whose authority a command acts: whoever holds the ledger."""
    from router.ledger.redrives.authority import Authority, AuthorityKind

    return Authority(AuthorityKind.TERMINAL, person_here())


def follow(engine: "Engine", key: str, *, as_json: bool) -> "RedriveJob":
    """Show a redrive until it stands still; Ctrl-C leaves it going on."""
    from router.ledger.redrives.decisions import JobState

    shown, begun, told = None, time.monotonic(), False
    try:
        while True:
            job = _look(engine, key)
            stand = job.state, job.course.allowed, job.tally
            if stand != shown:
                _show(job, as_json=as_json)
                shown = stand
            if job.state is not JobState.RUNNING:
                return job
            if not told and not job.tally.sent and time.monotonic() - begun > _TAKEN_UP_WITHIN:
                print("congvan: no router has taken it up yet; it goes on as soon as one runs", file=sys.stderr)
                told = True
            time.sleep(_LOOK_EVERY)
    except KeyboardInterrupt:
        print(f"congvan: the redrive {key} goes on; `congvan redrives cancel {key}` would end it", file=sys.stderr)
        return job


def ending(job: "RedriveJob") -> int:
    """The exit code that a redrive ends the command with."""
    from router.ledger.redrives.decisions import JobState

    if job.state is JobState.STOPPED or job.tally.failed:
        return _FAILED
    return _REFUSED if job.state in {JobState.PAUSED, JobState.CANCELLED} else 0


def as_object(job: "RedriveJob") -> dict[str, object]:
    """The same form as the web API's answer."""
    from router.words.redrive_views import RedriveView

    return RedriveView.of(job).model_dump()


def _read(wanted: str, cut_at: int) -> "Filter":

    from router.words.filters import FilterError, parse
    from schemas.zone import zone

    try:
        return parse(wanted, now_ms=cut_at, zone=zone()).wanted
    except FilterError as error:
        raise typer.BadParameter(str(error), param_hint="FILTER") from error


def _per_minute(rate: str) -> int:
    number, _, unit = rate.partition("/")
    if not (number.isascii() and number.isdecimal() and unit in {"", "min"} and 0 < int(number) <= _MOST_PER_MINUTE):
        raise typer.BadParameter(f"{rate!r} is no rate; write 30/min, at most {_MOST_PER_MINUTE}", param_hint="--rate")
    return int(number)


def _try(engine: "Engine", wanted: "Filter", cut_at: int) -> "DryRun":
    from router.errors import NotFoundError
    from router.ledger.engine import reading
    from router.ledger.redrives.making import dry_run
    from router.ledger.scope import EVERYTHING

    with reading(engine) as conn:
        run = dry_run(conn, EVERYTHING, EVERYTHING, wanted, cut_at=cut_at)
    if not run.eligible:
        told = ", ".join(f"{count} {state}" for state, count in run.skipped.items()) or "nothing"
        raise NotFoundError(f"nothing parked or expired fits the filter; what fits: {told}")
    return run


def _make(
    engine: "Engine",
    text: str,
    wanted: "Filter",
    cut_at: int,
    reason: str,
    *,
    canary: bool,
    per_minute: int | None,
    watch: int,
) -> str:
    from router.ledger.engine import writing
    from router.ledger.redrives.decisions import Pace
    from router.ledger.redrives.making import NewRedrive, make
    from schemas.ids import new_id

    pace = Pace.RATE if per_minute else Pace.CANARY if canary else Pace.ALL
    new = NewRedrive(
        terminal(), new_id(), text.strip(), wanted, cut_at, reason, pace, watch * 1000, per_minute=per_minute
    )
    with writing(engine) as conn:
        return make(conn, new, now_ms=now_ms())


def _look(engine: "Engine", key: str) -> "RedriveJob":
    from router.ledger.engine import reading
    from router.ledger.redrives.reading import find_job
    from router.ledger.scope import EVERYTHING

    with reading(engine) as conn:
        return find_job(conn, EVERYTHING, key)


def _show(job: "RedriveJob", *, as_json: bool) -> None:
    if as_json:
        print_json([as_object(job)])
        return
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(job.tally.counts.items()))
    said = f": {job.course.note}" if job.course.note else ""
    print(f"{job.id}  {job.state}  {job.tally.sent}/{job.tally.total} sent again ({counts}){said}", flush=True)


def _show_run(run: "DryRun", cut_at: int, *, as_json: bool) -> None:
    if as_json:
        from router.words.redrive_views import DryRunView

        print_json([DryRunView.of(run, cut_at)])
        return
    print(f"{run.eligible} would go again, as of {local_time(cut_at)}")
    for state, count in run.skipped.items():
        print(f"{count} skipped: {state}")
    print("\nthe latest of them:")
    columns = "delivery", "unit", "dispatch", "is", "since", "because"
    rows = [
        (row.id, row.unit, row.notation, row.state.value, local_time(row.state_at), row.reason) for row in run.first
    ]
    print_table(columns, rows)
