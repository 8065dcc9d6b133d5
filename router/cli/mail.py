"""``congvan mail``: the e-mails that the console's people are told by, and the way to the mail server."""

from typing import Annotated

import typer

from router.cli.console_output import EXIT_CODES, JsonOption, open_ledger, print_json, print_table
from router.mail.states import MailState
from schemas.clock import now_ms

app = typer.Typer(no_args_is_help=True, add_completion=False)
StateOption = Annotated[
    list[MailState] | None,
    typer.Option("--state", help="In this state only; may be given more than once.", metavar="STATE"),
]
LimitOption = Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Of an e-mail that was refused or given up.")]
AddressArgument = Annotated[str, typer.Argument(metavar="ADDRESS", help="Where to.")]


@app.callback()
def _group() -> None:
    """List the e-mails of notices, have one tried again, try the mail server."""


@app.command(
    "list", epilog=f"Examples: `congvan mail list` · `congvan mail list --state refused --json`\n\n{EXIT_CODES}"
)
def list_(state: StateOption = None, limit: LimitOption = 50, as_json: JsonOption = False) -> None:
    """List e-mails, the newest first: waiting, sent, refused by the server, given up, dropped."""
    from router.ledger.engine import reading
    from router.mail.listing import HEADINGS, fields_of, words_of
    from router.mail.settings import MailSettings
    from router.words.notices import MAILING

    with open_ledger() as engine, reading(engine) as conn:
        rows = MAILING.outbox(MailSettings()).listed(conn, states=state or (), limit=limit)
    if as_json:
        print_json(map(fields_of, rows))
    else:
        print_table(HEADINGS, map(words_of, rows))


@app.command(epilog=f"Example: `congvan mail retry 01a228e5-58df-76c7-b6d0-e9ef74d5820f`\n\n{EXIT_CODES}")
def retry(mail: IdArgument) -> None:
    """Have an e-mail tried again that the server refused, or that was given up."""
    from router.ledger.engine import writing
    from router.mail.settings import MailSettings
    from router.words.notices import MAILING

    with open_ledger() as engine, writing(engine) as conn:
        MAILING.outbox(MailSettings()).retry(conn, mail, now_ms=now_ms())
    print(f"{mail} is sent with the next ones")


@app.command(epilog=f"Example: `congvan mail test nguyen.van.a@example.vn`\n\n{EXIT_CODES}")
def test(address: AddressArgument) -> None:
    """Send one e-mail that only says that e-mail arrives, at once and once."""
    import asyncio

    from router.mail.settings import MailSettings
    from router.mail.trial import send_test

    try:
        sent = asyncio.run(send_test(MailSettings(), address))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    print(f"the mail server has {sent} for {address}")
