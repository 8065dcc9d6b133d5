"""``congvan doctor``: is everything there that the service stands on?"""

from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Examples: `congvan doctor` · `congvan doctor --json`\n\n"
    "Exit codes: 0 nothing failed, 1 something is wrong, 2 wrong settings, 5 something needed is unavailable."
)
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per check.")] = False,
) -> None:
    """Check everything the service stands on."""
    import asyncio

    from deploy.doctor.examine import examine
    from deploy.doctor.findings import Verdict
    from deploy.exits import ExitCode
    from deploy.logs import configure_logs
    from deploy.settings import LogSettings
    from router.cli.console_output import print_json, print_table
    from router.settings import RouterSettings

    configure_logs(LogSettings(log_level="error"), program="doctor")
    findings = asyncio.run(examine(RouterSettings()))
    if as_json:
        print_json({"check": found.check, **found.answer.shown()} for found in findings)
    else:
        rows = [(found.check, *found.answer.shown().values()) for found in findings]
        print_table(("check", "", "detail", "what to do"), rows)
    codes = {found.answer.code for found in findings if found.answer.verdict is Verdict.FAILED}
    if codes:
        raise typer.Exit(ExitCode.UNAVAILABLE if ExitCode.UNAVAILABLE in codes else ExitCode.FAILED)
