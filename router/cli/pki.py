"""``congvan pki``: a certificate authority of one's own, for who has no other."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.console_output import EXIT_CODES, JsonOption, local_time, print_json, print_table
from schemas.clock import now_ms

if TYPE_CHECKING:
    from router.tls.authority import Authority, Kept
    from router.tls.certificates import Certificate

app = typer.Typer(no_args_is_help=True, add_completion=False)
issue = typer.Typer(no_args_is_help=True, add_completion=False)
app.add_typer(issue, name="issue", help="Issue a certificate for a server or a client.")
_FAILED = 1
_LEAF_DAYS, _MOST_DAYS = 90, 397

_INIT_EPILOG = f"""Examples:

`congvan pki init /var/lib/congvan-router/pki --name 'UBND tỉnh Lào Cai'`

`congvan pki init ./pki --name 'UBND tỉnh Lào Cai' --passphrase-file /media/stick/passphrase`

{EXIT_CODES} Here 4: the directory is not empty; nothing in it is ever overwritten."""
_SERVER_EPILOG = f"""Examples:

`congvan pki issue server broker.tinh.vn 10.1.2.3`: the names and addresses that clients ask for

`congvan pki issue server congvan.tinh.vn --days 30 --json`

{EXIT_CODES} Here 2: a name that no server has; 4: there is one already."""
_CLIENT_EPILOG = f"""Examples:

`congvan pki issue client gateway:LCA.02.#`: the gateway whose account that is

{EXIT_CODES} Here 2: this is no account's name; 4: there is one already."""
_RENEW_EPILOG = f"""Examples:

`congvan pki renew`: twice a day, by cron or a timer; what is not due is not touched

{EXIT_CODES} Here 1: something is due and was not renewed; what it was is told, the others are renewed."""
_SHOW_EPILOG = f"""Examples:

`congvan pki show`

`congvan pki show --json | jq 'select(.days_left < 20)'`

{EXIT_CODES} Here 4: there is no authority in the directory."""

DirOption = Annotated[
    Path | None,
    typer.Option("--dir", metavar="DIR", help="The authority's directory; without it, that of CONGVAN_PKI_DIR."),
]
PassphraseOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file", metavar="FILE", help="Holds the passphrase of the root's key; - for standard input."
    ),
]
DaysOption = Annotated[int, typer.Option(min=1, max=_MOST_DAYS, help="How long it is good.")]


@app.callback()
def _group() -> None:
    """Make a certificate authority of one's own, issue, renew and list its certificates."""


@app.command(epilog=_INIT_EPILOG)
def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new directory; its keys are the authority.")],
    name: Annotated[str, typer.Option(help="Of the organisation, as who looks at a certificate sees it.")],
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an authority: a root for ten years, and below it one that issues, for two."""
    from router.tls.authority import begin

    made = begin(directory, name, now_ms=now_ms(), passphrase=_passphrase(passphrase_file))
    if as_json:
        print_json([{"directory": str(directory), "root": str(made.root_file)} | _fields("root", made.root())])
        return
    print(f"made in {directory}; what clients trust is {made.root_file}")
    print(f"take {directory / 'root.key'} to two safe places away from here: it is needed once in two years")


@issue.command(epilog=_SERVER_EPILOG)
def server(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="DNS names and addresses of the server.")],
    directory: DirOption = None,
    days: DaysOption = _LEAF_DAYS,
    as_json: JsonOption = False,
) -> None:
    """Issue a certificate for a server: one file with its key, itself, and what signed it."""
    made = _authority(directory).issue_server(names, now_ms=now_ms(), days=days)
    _tell([made], as_json=as_json)


@issue.command(epilog=_CLIENT_EPILOG)
def client(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's name, as `token list` shows it.")],
    directory: DirOption = None,
    days: DaysOption = _LEAF_DAYS,
    as_json: JsonOption = False,
) -> None:
    """Issue a certificate for an account, by which the broker knows it."""
    made = _authority(directory).issue_client(account, now_ms=now_ms(), days=days)
    _tell([made], as_json=as_json)


@app.command(epilog=_RENEW_EPILOG)
def renew(directory: DirOption = None, passphrase_file: PassphraseOption = None, as_json: JsonOption = False) -> None:
    """Renew what is in the last third of its life, in its file; whoever reads it meanwhile has the old or the new."""
    told = _authority(directory).renew(now_ms=now_ms(), passphrase=_passphrase(passphrase_file))
    _tell(told.renewed, as_json=as_json)
    for failure in told.failed:
        print(f"congvan: {failure.path} is due and was not renewed: {failure.error}", file=sys.stderr)
        hint = getattr(failure.error, "hint", "")
        if hint:
            print(f"  hint: {hint}", file=sys.stderr)
    if told.failed:
        raise typer.Exit(_FAILED)


@app.command(epilog=_SHOW_EPILOG)
def show(directory: DirOption = None, as_json: JsonOption = False) -> None:
    """List the authority's certificates with the days that are left, what ends first first."""
    authority = _authority(directory)
    kept = {item.certificate.serial: item for item in authority.kept()}
    rows = [_fields("root", authority.root()), _fields("authority", authority.issuing())]
    rows += [_fields(_kind(item), item) | _file(kept.get(item.serial)) for item in authority.issued()]
    if as_json:
        print_json(rows)
        return
    shown = [(row["kind"], row["subject"], row["days_left"], local_time(_ms(row)), row.get("file", "")) for row in rows]
    print_table(("kind", "whose", "days left", "ends", "file"), shown)


def _authority(directory: Path | None) -> "Authority":
    from router.settings import RouterSettings
    from router.tls.authority import Authority

    found = directory or RouterSettings().pki_dir
    if found is None:
        raise typer.BadParameter("name the authority's directory: --dir DIR, or CONGVAN_PKI_DIR", param_hint="--dir")
    return Authority(found)


def _passphrase(file: Path | None) -> bytes | None:
    if file is None:
        return None
    text = sys.stdin.readline() if str(file) == "-" else file.read_text("utf-8")
    if not text.strip():
        raise typer.BadParameter(f"{file} holds no passphrase", param_hint="--passphrase-file")
    return text.strip("\r\n").encode()


def _tell(made: "list[Kept] | tuple[Kept, ...]", *, as_json: bool) -> None:
    if as_json:
        print_json(_fields(item.kind.value, item.certificate) | _file(item) for item in made)
        return
    for item in made:
        print(f"{item.path}\t{item.certificate.subject}\tuntil {local_time(item.certificate.not_after)}")


def _kind(certificate: "Certificate") -> str:
    """Of what was issued: a server has names, a client has an account."""
    return "server" if certificate.names else "client"


def _file(kept: "Kept | None") -> dict[str, object]:
    return {} if kept is None else {"file": str(kept.path)}


def _fields(kind: str, certificate: "Certificate") -> dict[str, object]:
    from schemas.clock import iso

    return {
        "kind": kind,
        "subject": certificate.subject,
        "names": list(certificate.names),
        "issuer": certificate.issuer,
        "serial": certificate.serial,
        "fingerprint": certificate.fingerprint,
        "not_after": iso(certificate.not_after),
        "days_left": round(certificate.days_left(now_ms()), 1),
    }


def _ms(row: dict[str, object]) -> int:
    from datetime import datetime

    from schemas.clock import to_ms

    return to_ms(datetime.fromisoformat(str(row["not_after"])))
