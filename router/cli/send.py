"""``congvan send``: hand in a dispatch with its files."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from router.cli.console_output import JsonOption, print_json
from router.cli.letter import (
    Due,
    Files,
    FlashText,
    Issuer,
    KindOf,
    LetterFile,
    Notation,
    Number,
    RefersTo,
    Signer,
    Subject,
    To,
    Type,
    UrgencyLevel,
    letter_of,
)
from router.cli.showing_plan import print_plan

if TYPE_CHECKING:
    from aiohttp import FormData
    from rich.progress import Progress

app = typer.Typer(add_completion=False)

_EPILOG = """Examples (quote rules: the shell has its own use for # * ! and braces):

`congvan send --issuer LCA.VP --to 'LCA.02.#' --to '!LCA.02.05' --notation 123-CV/VP --subject 'Họp giao ban' a.pdf`

`congvan send --plan --issuer LCA.VP --to 'LCA.#' --subject 'Họp giao ban' a.docx`

`congvan send --file letter.json scan.tif` · `congvan send --file letter.json --urgency 3 --json`

The same letter with the same files again is the same dispatch: it gets the same id and is not sent twice; another
--idempotency-key makes it another. So a command that failed may simply be run again.

With --plan nothing is sent and nothing is kept: it says when the dispatch would arrive at whom.

Exit codes: 0 accepted, 1 failed, 2 wrong usage or an invalid letter, 4 refused, 5 the web API is unavailable."""


@app.command(epilog=_EPILOG)
def send(
    files: Files = None,
    to: To = None,
    subject: Subject = None,
    issuer: Issuer = None,
    notation: Notation = None,
    number: Number = None,
    type_: Type = None,
    urgency: UrgencyLevel = None,
    due: Due = None,
    signer: Signer = None,
    flash_text: FlashText = None,
    kind: KindOf = None,
    refers_to: RefersTo = None,
    file: LetterFile = None,
    idempotency_key: Annotated[str, typer.Option(help="What tells this submission from another.")] = "",
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Send nothing; say when it would arrive at whom, and what it costs the lines."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Send a dispatch with its attachments, or see beforehand when it would arrive."""
    letter = letter_of(
        file,
        due=due,
        addressees=to,
        subject=subject,
        issuer=issuer,
        notation=notation,
        number=number,
        type=type_,
        urgency=urgency,
        signer=signer,
        flash_text=flash_text,
        kind=kind,
        refers_to=refers_to,
    )
    found = asyncio.run(_send(letter, files or [], idempotency_key, plan=plan))
    if as_json:
        print_json([found])
    elif plan:
        print_plan(found)
    else:
        _print_accepted(found)


def _print_accepted(accepted: dict[str, Any]) -> None:
    known = ", known already" if accepted["duplicate"] else ""
    print(f"{accepted['id']}\t{accepted['addressees']} addressees{known}")


async def _send(letter: bytes, files: list[Path], key: str, *, plan: bool) -> dict[str, Any]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from router.cli.api_client import ApiClient
    from router.settings import RouterSettings

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    progress = Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True)
    async with ApiClient(RouterSettings(), sends=True) as api:
        with progress:
            if plan:
                return await api.plan(lambda: _form(letter, files, progress))
            return await api.submit(lambda: _form(letter, files, progress), key=key)


@contextmanager
def _form(letter: bytes, files: list[Path], progress: "Progress") -> Iterator["FormData"]:
    """The form of one attempt; each file is read as it is sent."""
    from aiohttp import FormData

    from schemas.attachment import media_type_of

    for task in progress.task_ids:  # of an attempt that failed
        progress.remove_task(task)
    form = FormData()
    form.add_field("dispatch", letter.decode(), content_type="application/json")
    with ExitStack() as opened:
        for path in files:
            reader = opened.enter_context(progress.open(path, "rb", description=path.name))
            form.add_field("file", reader, filename=path.name, content_type=media_type_of(path.name))
        yield form
