"""Prints findings, and ends the command as they ask for."""

from collections.abc import Sequence

import typer

from deploy.doctor.findings import CheckOutcome, Finding
from deploy.exits import ExitCode
from router.cli.console_output import print_json, print_table

EXIT_CODES = "Exit codes: 0 nothing failed, 1 something is wrong, 2 wrong settings, 5 something needed is unavailable."


def show(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Print findings; where something failed, end with the exit code that says so."""
    if as_json:
        print_json({"check": found.check, **found.answer.shown()} for found in findings)
    else:
        rows = [(found.check, *found.answer.shown().values()) for found in findings]
        print_table(("check", "", "detail", "what to do"), rows)
    codes = {found.answer.code for found in findings if found.answer.verdict is CheckOutcome.FAILED}
    if codes:
        raise typer.Exit(ExitCode.UNAVAILABLE if ExitCode.UNAVAILABLE in codes else ExitCode.FAILED)
