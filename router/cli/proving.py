"""``congvan log verify`` and ``congvan log checkpoint``: whether the ledger is as its log says, and its proof."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.console_output import EXIT_CODES, JsonOption, local_time, open_ledger, print_json

if TYPE_CHECKING:
    from router.ledger.log.checking import LogReport
    from schemas.trust.checkpoints import Checkpoint
    from schemas.trust.notes import NoteKey

VERIFY_EPILOG = f"""Examples:

`congvan log verify`: everything that the ledger holds, entry by entry, against the checkpoints that it keeps itself

`congvan log verify --checkpoint kept.txt --key "$(cat log.pub)"`: against one that somebody else has kept

{EXIT_CODES}"""
CHECKPOINT_EPILOG = f"""Examples:

`congvan log checkpoint > kept.txt`: the newest, to be kept elsewhere

`congvan log checkpoint --key > log.pub`: the key by which it is signed, to be kept with it

{EXIT_CODES}"""


def verify(
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A checkpoint that was kept elsewhere; may be repeated.", exists=True),
    ] = None,
    key: Annotated[str, typer.Option(metavar="KEY", help="The log's key as it was kept elsewhere.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Check every entry of the log against the ledger; exit code 1: something does not fit, and this says what."""
    from router.ledger.engine import reading
    from router.ledger.log import checking, checkpoints

    with open_ledger() as engine, reading(engine) as conn:
        own = checkpoints.key_of(conn)
        trusted = [_opened(file, key or own) for file in checkpoint or ()]
        report = checking.check(conn, trusted, on_progress=_show_progress)
        if key and _key(key) != _key(own or key):
            report.note("the log names another key than the one that was given")
    if as_json:
        print_json([asdict(report) | {"sound": report.sound}])
    else:
        _show(report, kept_elsewhere=bool(trusted))
    if not report.sound:
        raise typer.Exit(1)


def checkpoint(
    key: Annotated[bool, typer.Option("--key", help="Print the log's key instead.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the newest checkpoint of the log, as it is signed."""
    from router.errors import NotFoundError
    from router.ledger.engine import reading
    from router.ledger.log import checkpoints

    with open_ledger() as engine, reading(engine) as conn:
        newest, signs = checkpoints.newest(conn), checkpoints.key_of(conn)
    if not signs or (newest is None and not key):
        raise NotFoundError("the log has no checkpoint yet", hint="the router makes one within 20 s of the first entry")
    if as_json:
        print_json([{"key": signs} | (newest._asdict() if newest is not None else {})])
    elif key:
        print(signs)
    elif newest is not None:
        print(newest.note, end="")
        print(f"{newest.size} entries, signed {local_time(newest.at)}", file=sys.stderr)


def _opened(file: Path, key: str) -> "Checkpoint":
    from schemas.trust.checkpoints import open_checkpoint
    from schemas.trust.errors import ProofError

    try:
        return open_checkpoint(file.read_text("utf-8"), _key(key)).checkpoint
    except (ProofError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file}: {error}", param_hint="--checkpoint") from error


def _key(text: str) -> "NoteKey":
    from schemas.trust.errors import ProofError
    from schemas.trust.notes import NoteKey

    try:
        return NoteKey.parse(text)
    except ProofError as error:
        raise typer.BadParameter(str(error), param_hint="--key") from error


def _show_progress(done: int, size: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done} of {size} entries", end="\n" if done == size else "", file=sys.stderr, flush=True)


def _show(report: "LogReport", *, kept_elsewhere: bool) -> None:
    print(f"{report.entries} entries, {report.checkpoints} checkpoints, root {report.root}")
    if report.unread:
        print(f"{report.unread} entries tell of receipts that are not kept any more: of these the hash alone is known")
    for fault in report.faults:
        print(f"entry {fault.entry}: {fault.what}" if fault.entry is not None else fault.what)
    if report.more_faults:
        print(f"and {report.more_faults} more")
    if report.sound:
        print("everything is as it was recorded" + ("" if kept_elsewhere else _AS_GOOD_AS))


_AS_GOOD_AS = (
    "; whoever can write to the database could have made it so: keep checkpoints elsewhere, and give them by "
    "--checkpoint"
)
