"""The ``congvan`` command: the table of its sub-commands, its own options, and the way out of every error."""

import os
import sys
from typing import Annotated

import typer

from deploy.exits import ExitCode, report
from deploy.lazy import LazyGroup, Mount
from deploy.process import collect_seldom

PRIVATE = 0o077
"""What others get of the files that a process makes: nothing; where people share folders, their modes are set."""
RUN, SEND, SEE = "Run", "Send and follow", "See how it stands"
ORGANISATION, SERVICE = "Organisation and access", "Service"
MOUNTS = (
    Mount("up", "deploy.commands.up", "Start everything on this machine: broker, router and gateways.", RUN),
    Mount("router", "deploy.commands.router", "Run the router alone, against the broker that is configured.", RUN),
    Mount(
        "gateway",
        "deploy.commands.gateway",
        "Run a unit's gateway, see its inbox, send, report on documents.",
        RUN,
    ),
    Mount("desk", "deploy.commands.desk", "Serve the pages of a unit's clerk, leaders and staff.", RUN),
    Mount("line", "consumers.cli.line", "Tell the gateway that its line came up or went down.", RUN),
    Mount(
        "send", "router.cli.send", "Send a dispatch with its attachments, or see beforehand when it would arrive.", SEND
    ),
    Mount(
        "recall",
        "router.cli.recall",
        "Recall a dispatch from all its addressees, or see beforehand what that would do.",
        SEND,
    ),
    Mount("track", "router.cli.track", "Show what became of a dispatch at each addressee.", SEND),
    Mount("why", "router.cli.why", "Explain one delivery: what happened, what comes next, what to do.", SEND),
    Mount("log", "router.cli.log", "Show the delivery log, newest last.", SEND),
    Mount(
        "redrive",
        "router.cli.redrive",
        "Send parked or expired deliveries again; the first that comes back stops it.",
        SEND,
    ),
    Mount("redrives", "router.cli.redrives", "List, follow, pause, resume and cancel redrives.", SEND),
    Mount("overview", "router.cli.overview", "Show what is undelivered now and what needs attention.", SEE),
    Mount("watch", "router.cli.watch", "Watch the numbers and the delivery log live, on the whole screen.", SEE),
    Mount("stuck", "router.cli.stuck", "Show what will not go by itself, by reason.", SEE),
    Mount("late", "router.cli.late", "Show who is late, with what, and who can be asked.", SEE),
    Mount("lines", "router.cli.lines", "Show which lines are down and which were.", SEE),
    Mount(
        "search", "router.cli.search", "Find documents and units by what people type, the latest documents first.", SEE
    ),
    Mount("audit", "router.cli.audit", "Show the acts of people, the newest first.", SEE),
    Mount("stats", "router.cli.stats", "Show a month's volume and how long deliveries took.", SEE),
    Mount(
        "units",
        "router.cli.units",
        "Show, import, pause, mute and retire the units of the organisation.",
        ORGANISATION,
    ),
    Mount("token", "router.cli.token", "Make, list and revoke the tokens of callers.", ORGANISATION),
    Mount(
        "pki",
        "router.cli.pki",
        "Make a certificate authority of one's own, issue, renew and list its certificates.",
        ORGANISATION,
    ),
    Mount("people", "router.cli.people", "Invite, list and revoke the people who use the console.", ORGANISATION),
    Mount(
        "mail", "router.cli.mail", "List the e-mails of notices, have one tried again, try the mail server.", SERVICE
    ),
    Mount("topology", "router.cli.topology", "Plan, apply and export the broker's exchanges and queues.", SERVICE),
    Mount("ledger", "router.cli.ledger", "Recover the ledger after an older copy of it was restored.", SERVICE),
    Mount(
        "content", "router.cli.content", "Verify the stored attachments, and remove what no dispatch names.", SERVICE
    ),
    Mount("witness", "deploy.commands.witness", "Sign the checkpoints of another body's log, as its witness.", SERVICE),
    Mount("doctor", "deploy.commands.doctor", "Check everything the service stands on.", SERVICE),
    Mount("config", "deploy.commands.config", "Show the settings and where each comes from.", SERVICE),
    Mount("schemas", "deploy.commands.schemas", "Export the JSON Schemas of what travels.", SERVICE),
)
EPILOG = (
    "Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 not found, 4 refused, 5 something needed is "
    "unavailable. Settings are CONGVAN_* variables or the TOML file CONGVAN_CONFIG names: see `congvan config show`."
)


class Congvan(LazyGroup):
    """The root group."""

    mounts = MOUNTS


app = typer.Typer(
    cls=Congvan, no_args_is_help=True, epilog=EPILOG, rich_markup_mode="markdown", pretty_exceptions_show_locals=False
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"congvan {version('congvan')}")
        raise typer.Exit


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version.")
    ] = False,
) -> None:
    """Route official documents to every unit of an organisation, and prove what became of each."""
    del debug, version  # read from the arguments by main, which also stands where no command was reached
    refuse_unknown_settings()


def main() -> None:
    """Run the command line of this process; never returns."""
    os.umask(PRIVATE)
    collect_seldom()
    debug = "--debug" in sys.argv[1:2]
    refuse_other_encodings(sys.argv[1:])
    try:
        typer.main.get_command(app)(prog_name="congvan")
    except Exception as error:  # noqa: BLE001 - the way out of every error: lines without secrets, and an exit code
        if debug:
            import traceback

            from schemas.hidden import blanked

            sys.exit(blanked(traceback.format_exc()))
        sys.exit(report(error))


def refuse_other_encodings(arguments: list[str]) -> None:
    """End with exit code 2 when an argument is not UTF-8, as file names of the time of TCVN3 and VNI are."""
    for number, text in enumerate(arguments, 1):
        if any("\udc80" <= char <= "\udcff" for char in text):
            shown = os.fsencode(text).decode(errors="replace")
            print(f"congvan: argument {number} is not UTF-8: {shown}", file=sys.stderr)
            print(
                "  hint: give the file a name in UTF-8; the shell shows such a name with ? or boxes in it",
                file=sys.stderr,
            )
            sys.exit(ExitCode.USAGE)


def refuse_unknown_settings() -> None:
    """End with exit code 2 when the environment or the settings file names a setting that no program knows."""
    if not any(name.upper().startswith("CONGVAN_") for name in os.environ):
        return  # the settings' classes are not imported for nothing
    from deploy.settings import complaints

    lines = complaints(os.environ)
    for line in lines:
        print(f"congvan: {line}", file=sys.stderr)
    if lines:
        sys.exit(ExitCode.USAGE)


if __name__ == "__main__":
    main()
