"""``congvan desk mail``: the e-mails that the desk's people are told by, and the way to the mail server."""

from typing import Annotated

import typer

from consumers.cli.options import AsJson, DataDir, opened_spool
from router.mail.states import MailState

app = typer.Typer(no_args_is_help=True, add_completion=False)
_EXITS = (
    "Exit codes: 0 done, 1 the mail server refused, or there is none, 2 wrong usage, 3 no such e-mail, or no gateway "
    "has run here, 5 the spool or the mail server cannot be used now."
)


@app.command(
    "list", epilog=f"Examples: congvan desk mail list · congvan desk mail list --state refused --json. {_EXITS}"
)
def list_(
    state: Annotated[
        list[MailState] | None, typer.Option(help="In this state only; may be given more than once.", metavar="STATE")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List e-mails, the newest first: waiting, sent, refused by the server, given up, dropped."""
    from consumers.cli.showing import print_json
    from consumers.desk.mailing import MAILING
    from router.mail.listing import HEADINGS, fields_of, words_of
    from router.mail.settings import MailSettings

    with opened_spool(data_dir, to_read=True) as spool, spool.reading() as conn:
        rows = MAILING.outbox(MailSettings()).listed(conn, states=state or (), limit=limit)
    if as_json:
        for row in rows:
            print_json(fields_of(row))
        return
    for line in (HEADINGS, *map(words_of, rows)):
        print("\t".join(line))


@app.command(epilog=f"Example: congvan desk mail retry 01a228e5-58df-76c7-b6d0-e9ef74d5820f. {_EXITS}")
def retry(
    mail: Annotated[str, typer.Argument(metavar="ID", help="Of an e-mail that was refused or given up.")],
    data_dir: DataDir = None,
) -> None:
    """Have an e-mail tried again that the server refused, or that was given up."""
    from consumers.desk.mailing import MAILING
    from router.mail.settings import MailSettings
    from schemas.clock import now_ms

    with opened_spool(data_dir) as spool, spool.writing() as conn:
        MAILING.outbox(MailSettings()).retry(conn, mail, now_ms=now_ms())
    print(f"{mail} is sent with the next ones")


@app.command(epilog=f"Example: congvan desk mail test nguyen.van.a@example.vn. {_EXITS}")
def test(address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Where to.")]) -> None:
    """Send one e-mail that only says that e-mail arrives, at once and once."""
    import asyncio

    from router.mail.settings import MailSettings
    from router.mail.trial import send_test

    try:
        sent = asyncio.run(send_test(MailSettings(), address))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    print(f"the mail server has {sent} for {address}")
