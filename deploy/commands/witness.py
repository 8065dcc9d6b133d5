"""``congvan witness``: for another body than the router's; its long-running command logs as every program does."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from router.trust.witness import Witness

app = typer.Typer(add_completion=False, no_args_is_help=True)

Name = Annotated[str, typer.Option(metavar="NAME", help="The witness's name, as its host: nhan-chung.vn.")]
KeyFile = Annotated[Path, typer.Option("--key", metavar="FILE", help="Its key, as PEM; made where there is none.")]
_EPILOG = """Examples:

`congvan witness key --name nhan-chung.vn --key witness.key`: what the router's people need

`congvan witness run --name nhan-chung.vn --key witness.key --log "$(cat log.pub)" --state signed`: behind a web server
with TLS

Exit codes: 0 done, 1 failed, 2 wrong usage."""


@app.callback(epilog=_EPILOG)
def witness() -> None:
    """Sign the checkpoints of another body's log, as its witness."""


@app.command(epilog=_EPILOG)
def key(name: Name, key_file: KeyFile) -> None:
    """Print the witness's public key."""
    print(_witness(name, key_file, [], key_file.parent).public_key)


@app.command(epilog=_EPILOG)
def run(
    name: Name,
    key_file: KeyFile,
    log: Annotated[list[str], typer.Option(metavar="KEY", help="The key of a log to watch; may be repeated.")],
    state: Annotated[Path, typer.Option(metavar="DIRECTORY", help="Where it keeps what it has signed.")],
    host: Annotated[str, typer.Option(help="Where it listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0: any that is free.")] = 8490,
) -> None:
    """Take checkpoints and sign those that go on from what was signed before, until SIGTERM or Ctrl-C."""
    from deploy.logs import configure_logs
    from router.trust.witness_service import serve

    configure_logs(program="witness")
    asyncio.run(serve(_witness(name, key_file, log, state), host, port))


def _witness(name: str, key_file: Path, logs: list[str], state: Path) -> "Witness":
    from router.trust.log_key import load_or_make
    from router.trust.witness import Witness
    from schemas.trust.errors import ProofError
    from schemas.trust.notes import NoteKey

    if not name or "+" in name or name.split() != [name]:
        raise typer.BadParameter(f"{name!r} is no name: it has neither spaces nor +", param_hint="--name")
    try:
        watched = [NoteKey.parse(text) for text in logs]
    except ProofError as error:
        raise typer.BadParameter(str(error), param_hint="--log") from error
    return Witness(name, load_or_make(key_file), watched, state)
