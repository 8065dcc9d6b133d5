"""``congvan gateway send``: the options of ``congvan send``, and the gateway's own outbox to carry it."""

from typing import TYPE_CHECKING, Any

import typer

from consumers.cli.options import AsJson, DataDir
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

if TYPE_CHECKING:
    from consumers.settings import GatewaySettings

EPILOG = """Examples:

`congvan gateway send --to LCA.02 --notation 15/BC-UBND --subject 'Báo cáo tuần' bao-cao.pdf`

`congvan gateway send --to LCA.02 --urgency 2 --subject 'Lũ quét' --flash-text 'Cầu Nậm Rốm đã sập' anh.jpg`

`congvan gateway outbox` tells how far it is; the id that this prints is the one listed there. Each call is a document
of its own. The files are copied, so they may be moved or changed at once.

Exit codes: 0 it is in the outbox, 2 wrong usage or a letter that cannot be sent, 3 no gateway has run here, 5 the spool
cannot be written now."""


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
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Send a dispatch for a unit of this gateway, when the line allows.

    The gateway brings the files up in pieces and hands the dispatch in when all are there; neither the line nor the
    gateway has to be up now.
    """
    from consumers.cli.options import settings_with
    from consumers.last_run import completed
    from consumers.sending.assembly import rules_of

    settings = completed(settings_with(data_dir=data_dir))
    letter = letter_of(
        file,
        default_issuer=rules_of(settings).issuer,
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
    told = _put_out(settings, letter, files or [])
    if as_json:
        import orjson

        print(orjson.dumps(told).decode())
        return
    print(f"{told['id']}\tin the outbox; it goes up when the line allows")


def _put_out(settings: "GatewaySettings", letter: bytes, files: list[Any]) -> dict[str, Any]:
    from consumers.cli.options import opened_spool
    from consumers.sending.assembly import outbox_of, rules_of
    from consumers.sending.folder import OutboxFolder
    from consumers.sending.watch import taken
    from consumers.sending.writing import write_out
    from consumers.spool import sending

    with opened_spool(settings.data_dir) as spool:
        claimed, document = write_out(OutboxFolder(outbox_of(settings)), rules_of(settings), letter, files)
        with spool.writing() as conn:
            sending.take(conn, [taken(claimed, document)])
    size = sum(item.size for item in document.files)
    return {"id": claimed.id, "name": claimed.name, "files": len(document.files), "size": size}


def add_to(app: typer.Typer) -> None:
    """Give the gateway's commands this one."""
    app.command("send", epilog=EPILOG)(send)
