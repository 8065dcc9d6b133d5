"""``congvan gateway``: run a unit's gateway, see its inbox and its outbox, report on documents."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from consumers.cli import acts
from consumers.cli.centre_log import EPILOG as CENTRE_LOG_EPILOG
from consumers.cli.centre_log import centre_log
from consumers.cli.inbox import app as inbox_app
from consumers.cli.options import AsJson, DataDir, OfUnit
from consumers.cli.outbox import EPILOG as OUTBOX_EPILOG
from consumers.cli.outbox import outbox
from schemas.states import Status

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="markdown")
app.add_typer(inbox_app, name="inbox")
app.command("outbox", epilog=OUTBOX_EPILOG)(outbox)
app.command("log", epilog=CENTRE_LOG_EPILOG)(centre_log)
acts.add_acts(app)


class Said(StrEnum):
    """What a person may say of a document."""

    REGISTERED = Status.REGISTERED.value
    REFUSED = Status.REFUSED.value
    ASSIGNED = Status.ASSIGNED.value
    PROCESSING = Status.PROCESSING.value
    COMPLETED = Status.COMPLETED.value
    CHANGE_ACCEPTED = Status.CHANGE_ACCEPTED.value
    CHANGE_REFUSED = Status.CHANGE_REFUSED.value
    RECALLED = Status.RECALLED.value


class SinkName(StrEnum):
    """Where documents can be handed to."""

    FOLDER = "folder"
    WEBHOOK = "webhook"
    COMMAND = "command"
    NONE = "none"


@app.command(
    epilog="Examples: congvan gateway run --units LCA.02.05 · congvan gateway run --units LCA.02.# --sink none. "
    "Exit codes: 0 stopped by SIGTERM or Ctrl-C, 1 a part failed or did not stop in time, 2 wrong settings, 4 another "
    "gateway works on the data directory. Neither a line that is down nor a broker or a disk that is away ends it."
)
def run(
    units: Annotated[str | None, typer.Option(help="The unit, or a subtree with its head as LCA.02.#.")] = None,
    sink: Annotated[SinkName | None, typer.Option(help="Where documents are handed to.")] = None,
    inbox_dir: Annotated[Path | None, typer.Option(help="The folder sink's root.")] = None,
    amqp_url: Annotated[str | None, typer.Option(help="The broker's URL with vhost, without login.")] = None,
    origin_url: Annotated[str | None, typer.Option(help="Where the router serves content.")] = None,
    data_dir: DataDir = None,
    desk: Annotated[bool, typer.Option("--desk", help="Serve the desk as well, in a process of its own.")] = False,
) -> None:
    """Take, fetch, deliver and report until SIGTERM or Ctrl-C.

    Options win over the CONGVAN_GATEWAY_* variables and the table [gateway] of the file CONGVAN_CONFIG names;
    `congvan config show` lists them all. The token is never an option: CONGVAN_GATEWAY_TOKEN.
    """
    import asyncio
    import os
    from contextlib import nullcontext

    import uvloop

    from consumers.cli.options import settings_with
    from consumers.desk.beside import desk_beside, environment_for
    from consumers.gateway import Gateway
    from router.process.ending import end_within, ending
    from router.process.secrets import forget_secrets
    from schemas.settings import PREFIX

    settings = settings_with(
        units=units,
        sink=sink and sink.value,
        inbox_dir=inbox_dir,
        amqp_url=amqp_url,
        origin_url=origin_url,
        data_dir=data_dir,
    )
    beside = environment_for(os.environ, settings.data_dir)
    forget_secrets([name for name in os.environ if name.upper().startswith(PREFIX)])  # all are read

    async def serve() -> None:
        async with desk_beside(beside) if desk else nullcontext():
            await Gateway(settings, on_stop=end_within).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, ending():
        runner.run(serve())


@app.command(
    epilog="Examples: congvan gateway status · congvan gateway status --json. Exit codes: 0 it runs, 3 no gateway has "
    "run here, 4 it stands by because another gateway works for its units, 5 it does not run now."
)
def status(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show how the gateway stands: its line, its broker, its sink, what waits to be handed over and to go up."""
    from consumers.cli.standing import show_standing

    show_standing(data_dir, as_json=as_json)


@app.command(
    epilog='Examples: congvan gateway receipt 123-CV/TU registered --number 57 --person "Nguyễn Thị Hoa" · '
    'congvan gateway receipt 2f1d3c4b5a69 refused --reason "Sent to the wrong unit". '
    'congvan gateway receipt 123-CV/TU registered --number 58 --correct --reason "Ghi nhầm số". '
    "Exit codes: 0 written, 2 wrong usage or several documents fit, 3 no such document, 4 the document's state does "
    "not allow it, 5 the spool cannot be written now."
)
def receipt(
    document: Annotated[
        str, typer.Argument(metavar="ID", help="Delivery id, 6 characters of its beginning or end, or the notation.")
    ],
    status: Annotated[Said, typer.Argument(help="What became of it.")],
    number: Annotated[str, typer.Option(help="The unit's arrival number (số đến); needed with registered.")] = "",
    reason: Annotated[str, typer.Option(help="Needed with refused.")] = "",
    person: Annotated[str, typer.Option(help="Who says it.")] = "",
    department: Annotated[str, typer.Option(help="That person's department.")] = "",
    correct: Annotated[
        bool, typer.Option("--correct", help="Put right what was said with this word before; needs a reason.")
    ] = False,
    unit: OfUnit = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Report what became of a document: registered, refused, assigned, processing, completed.

    change_accepted and change_refused answer a request to take a document back, or an update; recalled says that the
    copies of a document whose issuer has recalled it are destroyed. With --correct the document stays as it is: number
    and person of the receipt before are replaced, and both stay readable. The receipt goes out with the gateway's next
    burst, whenever the line allows.
    """
    from consumers.cli.options import opened_spool, the_one
    from consumers.cli.showing import say_written
    from consumers.reading.inbox import add_person_receipt
    from consumers.reading.righting import correct_receipt

    said = {"reason": reason, "person": person, "department": department, "register_number": number}
    with opened_spool(data_dir) as spool:
        key = the_one(spool, document, unit=unit).delivery_id
        if correct:
            entry = correct_receipt(spool, key, Status(status.value), said)
        else:
            entry = add_person_receipt(spool, key, Status(status.value), **said)
    say_written(entry, as_json=as_json)


@app.command(
    epilog='Examples: congvan gateway undo 123-CV/TU --reason "Chuyển nhầm". Exit codes: 0 written, 2 wrong usage or '
    "several documents fit, 3 no such document, 4 nothing can be undone, 5 the spool cannot be written now."
)
def undo(
    document: Annotated[
        str, typer.Argument(metavar="ID", help="Delivery id, 6 characters of its beginning or end, or the notation.")
    ],
    reason: Annotated[str, typer.Option(help="Why; the issuer reads it.")],
    by: Annotated[str, typer.Option(help="Who does it: a person of the desk, by their login.")] = "",
    person: Annotated[str, typer.Option(help="Who says it, where the unit keeps no registers here.")] = "",
    department: Annotated[str, typer.Option(help="That person's department.")] = "",
    unit: OfUnit = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Undo the last step of a person: the document is again as it was before, and both stay readable.

    With --by it is the desk's act: the number in the register is struck through, and what was to be done is open again.
    What stands in a register, or was dealt with at the desk, is undone in no other way.
    """
    if by:
        acts.undo(document, by, reason, unit=unit, data_dir=data_dir, as_json=as_json)
        return
    from consumers.cli.options import opened_spool, the_one
    from consumers.cli.showing import say_written
    from consumers.reading.righting import undo_last

    with opened_spool(data_dir) as spool:
        key = the_one(spool, document, unit=unit).delivery_id
        entry = undo_last(spool, key, reason=reason, person=person, department=department)
    say_written(entry, as_json=as_json)
