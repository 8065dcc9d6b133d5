"""``congvan gateway inbox``: what has come to the units of this gateway."""

from pathlib import Path
from typing import Annotated

import typer

from consumers.cli.options import AsJson, DataDir, OfUnit
from schemas.states import Status

app = typer.Typer(add_completion=False)


@app.callback(
    invoke_without_command=True,
    epilog="Examples: congvan gateway inbox · congvan gateway inbox --state parked --json · "
    "congvan gateway inbox --watch · congvan gateway inbox show 123-CV/TU. Exit codes: 0 shown (or it is empty), 3 no "
    "gateway has run here, 5 the spool cannot be read now.",
)
def inbox(
    context: typer.Context,
    unit: OfUnit = "",
    state: Annotated[
        list[Status] | None, typer.Option(help="In this state only; may be given more than once.", metavar="STATE")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow what is on its way.")] = False,
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds after which --watch ends.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List the documents that have come, newest first; `inbox show ID` shows one.

    A document is listed as soon as its letter is here, with how much of its files has come and how long the rest takes
    about, by the rate that the gateway measured. --watch shows those on their way and draws them anew until Ctrl-C;
    it reads beside a running gateway and writes nothing.
    """
    if context.invoked_subcommand is not None:
        return
    from consumers.cli.options import opened_spool
    from consumers.cli.showing import show_entries
    from consumers.cli.watching import watch_inbox
    from consumers.reading.coming import coming, line_now
    from consumers.reading.inbox import list_inbox
    from consumers.spool.scope import UnitScope

    with opened_spool(data_dir, to_read=True) as spool:
        if watch:
            watch_inbox(spool, unit=unit, limit=limit, seconds=timeout, as_json=as_json)
            return
        entries = list_inbox(spool, unit=unit, states=state or (), limit=limit)
        on_their_way = coming(spool, line_now(spool.path.parent), UnitScope.whole(unit) if unit else None)
    show_entries(entries, on_their_way, as_json=as_json)


@app.command(
    epilog="Examples: congvan gateway inbox show 123-CV/TU · congvan gateway inbox show 2f1d3c4b5a69 --json. "
    "Exit codes: 0 shown, 2 several documents fit, 3 no such document, 5 the spool cannot be read now."
)
def show(
    document: Annotated[
        str, typer.Argument(metavar="ID", help="Delivery id, 6 characters of its beginning or end, or the notation.")
    ],
    unit: OfUnit = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show one document: its letter, its files and what was said of it."""
    from consumers.cli.options import opened_spool, the_one
    from consumers.cli.showing import show_document
    from consumers.reading.coming import coming, line_now
    from consumers.reading.inbox import receipts_of
    from consumers.reading.readable import readable_letter

    with opened_spool(data_dir, to_read=True) as spool:
        entry = the_one(spool, document, unit=unit)
        with spool.reading() as conn:
            descriptor = readable_letter(conn, entry)
        told = receipts_of(spool, entry.delivery_id)
        on_their_way = coming(spool, line_now(spool.path.parent))
    here = next((item for item in on_their_way if item.entry.delivery_id == entry.delivery_id), None)
    show_document(entry, descriptor, told, here, as_json=as_json)


@app.command(
    epilog="Examples: congvan gateway inbox save 123-CV/TU ./123. Exit codes: 0 saved, 2 several documents fit, 3 no "
    "such document, or its files are not kept here, 5 the spool cannot be read now."
)
def save(
    document: Annotated[
        str, typer.Argument(metavar="ID", help="Delivery id, 6 characters of its beginning or end, or the notation.")
    ],
    directory: Annotated[Path, typer.Argument(help="Where the files are written to; made when it is missing.")],
    unit: OfUnit = "",
    data_dir: DataDir = None,
) -> None:
    """Copy a document's files out of the spool, where the sink `none` leaves them."""
    from consumers.cli.options import opened_spool, the_one
    from consumers.cli.saving import save_files
    from consumers.reading.inbox import entry_of
    from consumers.reading.readable import readable_files

    with opened_spool(data_dir, to_read=True) as spool:
        delivery_id = the_one(spool, document, unit=unit).delivery_id
        with spool.reading() as conn:
            files = readable_files(conn, entry_of(conn, delivery_id))
        for path in save_files(spool, files, directory):
            print(path)
