"""``congvan redrives``: the redrives of everybody, and what can be done with one."""

from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.console_output import EXIT_CODES, JsonOption, local_time, open_ledger, print_json, print_table
from router.cli.redrive import as_object, ending, follow, terminal
from schemas.clock import now_ms

if TYPE_CHECKING:
    from router.ledger.redrives.decisions import JobAct
    from router.ledger.redrives.reading import RedriveJob

app = typer.Typer(no_args_is_help=True, add_completion=False)

_EPILOG = f"""Example: `congvan redrives pause 019b0c5e-7d3a-7c3e-9f6b-2f1d3c4b5a69`

{EXIT_CODES} Here 3: there is no such redrive; 4: it has ended."""
_LIST_EPILOG = f"Example: `congvan redrives list --json`\n\n{EXIT_CODES}"
KeyArgument = Annotated[str, typer.Argument(metavar="ID", help="The redrive's id.")]


@app.callback()
def _group() -> None:
    """List, follow, pause, resume and cancel redrives."""


@app.command("list", epilog=_LIST_EPILOG)
def list_them(
    last: Annotated[int, typer.Option("--last", "-n", min=1, max=1000, help="How many.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show the latest redrives."""
    from router.ledger.engine import reading
    from router.ledger.redrives.reading import list_jobs
    from router.ledger.scope import EVERYTHING

    with open_ledger() as engine, reading(engine) as conn:
        _show(list_jobs(conn, EVERYTHING, limit=last), as_json=as_json)


@app.command(epilog=_EPILOG + " 1: it stopped at a failure.")
def show(key: KeyArgument, as_json: JsonOption = False) -> None:
    """Follow a redrive until it stands still; Ctrl-C leaves it going on."""
    with open_ledger() as engine:
        job = follow(engine, key, as_json=as_json)
    raise typer.Exit(ending(job))


@app.command(epilog=_EPILOG)
def pause(key: KeyArgument, as_json: JsonOption = False) -> None:
    """Send nothing more until it is resumed."""
    from router.ledger.redrives.decisions import JobAct

    _act(key, JobAct.PAUSE, as_json=as_json)


@app.command(epilog=_EPILOG)
def resume(key: KeyArgument, as_json: JsonOption = False) -> None:
    """Let it go on after a pause or a stop."""
    from router.ledger.redrives.decisions import JobAct

    _act(key, JobAct.RESUME, as_json=as_json)


@app.command(epilog=_EPILOG)
def cancel(key: KeyArgument, as_json: JsonOption = False) -> None:
    """End it; what was not sent yet stays as it is."""
    from router.ledger.redrives.decisions import JobAct

    _act(key, JobAct.CANCEL, as_json=as_json)


def _act(key: str, act: "JobAct", *, as_json: bool) -> None:
    from router.ledger.engine import writing
    from router.ledger.redrives.acting import ActRequest, act_on
    from router.ledger.scope import EVERYTHING

    with open_ledger() as engine, writing(engine) as conn:
        job = act_on(conn, EVERYTHING, key, ActRequest(act, terminal()), now_ms=now_ms())
    _show([job], as_json=as_json)


def _show(jobs: "list[RedriveJob]", *, as_json: bool) -> None:
    if as_json:
        print_json(as_object(job) for job in jobs)
        return
    columns = "redrive", "state", "made", "by", "sent", "of", "reason", "note"
    rows = [
        (
            job.id,
            job.state.value,
            local_time(job.made_at),
            job.maker.name,
            job.tally.sent,
            job.tally.total,
            job.reason,
            job.course.note,
        )
        for job in jobs
    ]
    print_table(columns, rows)
