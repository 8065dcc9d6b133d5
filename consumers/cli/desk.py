"""``congvan desk``: the pages for a unit's clerk, leaders and staff, and who may use them."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consumers.cli import copies, desk_mail
from consumers.cli.options import AsJson, DataDir, opened_spool, settings_with

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from consumers.spool.journal import JournalAct
    from router.pages.people import PersonRow, RoleGrant

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
people = typer.Typer(no_args_is_help=True, add_completion=False)
app.add_typer(people, name="people", help="Invite, list and revoke the people of the desk.")
app.command("copy", epilog=copies.COPY_EPILOG)(copies.copy)
app.command("recovery-key", epilog=copies.KEY_EPILOG)(copies.recovery_key)
app.command("restore", epilog=copies.RESTORE_EPILOG)(copies.restore)
app.command("next-number", epilog=copies.NEXT_EPILOG)(copies.next_number)
app.add_typer(desk_mail.app, name="mail", help="List the e-mails to them, have one tried again, try the mail server.")
_EXITS = (
    "Exit codes: 0 done, 2 wrong usage, 3 no such person, or no gateway has run here, 4 without that role, 5 the spool "
    "cannot be used now."
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="The login: a-z, 0-9, dot, dash, underscore.")]
Roles = Annotated[
    list[str] | None,
    typer.Option("--role", help="clerk, leader, staff, viewer or admin; may be given more than once; needs --on."),
]
On = Annotated[str, typer.Option("--on", metavar="UNIT", help="The unit, or a subtree as LCA.02.#; needs --role.")]


EPILOG = (
    "Examples: congvan desk · congvan desk --port 8481 · congvan desk people invite hoa --role clerk --on LCA.02.05. "
    "Exit codes: 0 stopped by SIGTERM or Ctrl-C, 1 a part failed, 2 wrong settings, 5 the spool cannot be used now."
)
Host = Annotated[str | None, typer.Option(help="Where it listens.")]
Port = Annotated[int | None, typer.Option(help="The port; 0: any that is free.")]


def serve(*, host: str | None, port: int | None, data_dir: Path | None) -> None:
    """Run the desk; options that are None are as the settings say."""
    import asyncio
    import os

    import uvloop

    from consumers.desk.service import Desk
    from consumers.settings import DeskSettings
    from router.mail.settings import MailSettings
    from router.process.ending import end_within, ending
    from router.process.secrets import forget_secrets
    from schemas.office import office_calendar

    given: dict[str, Any] = {"host": host, "port": port}
    settings = DeskSettings(**{name: value for name, value in given.items() if value is not None})
    gateway, mail = settings_with(data_dir=data_dir), MailSettings()
    forget_secrets([name for name in os.environ if name.upper() == "CONGVAN_MAIL_PASSWORD"])

    async def run() -> None:
        await Desk(settings, gateway, office_calendar(), mail=mail, on_stop=end_within).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, ending():
        runner.run(run())


@people.command(
    epilog="Examples: congvan desk people invite hoa --role clerk --role staff --on LCA.02.05 --full-name "
    f'"Nguyễn Thị Hoa" · congvan desk people invite hoa. {_EXITS}'
)
def invite(
    name: Name,
    role: Roles = None,
    on: On = "",
    full_name: Annotated[str, typer.Option(help="As registers and receipts name the person.")] = "",
    title: Annotated[str, typer.Option(help="Of the person (chức vụ).")] = "",
    department: Annotated[str, typer.Option(help="Where the person works.")] = "",
    email: Annotated[str, typer.Option(metavar="ADDRESS", help="Where notices to the person go, if none is set.")] = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Print a one-time link by which a person sets a password; with roles, grant them.

    For somebody who is known already it is another way in; it ends a lock and a revocation.
    """
    from consumers.cli.showing import print_json
    from consumers.settings import DeskSettings
    from consumers.spool.journal import JournalAct
    from consumers.spool.people import PEOPLE, Card, cards, write_card
    from router.pages.people.persons import INVITED_FOR_MS
    from schemas.clock import iso, now_ms

    grants, settings, now = _grants(role or [], on), DeskSettings(), now_ms()
    with opened_spool(data_dir) as spool, spool.writing() as conn:
        token = PEOPLE.invite(conn, _checked(name), grants, now_ms=now)
        was = cards(conn, [name])[name]
        write_card(conn, Card(name, full_name or was.full_name, title or was.title, department or was.department))
        if email:
            _give_address(conn, name, email, now)
        _note(conn, JournalAct.INVITED, on, name, ", ".join(role or []), now)
    scheme = "http" if settings.certificate is None else "https"
    link = f"{scheme}://{settings.host}:{settings.port}/desk/welcome?token={token}"
    if as_json:
        print_json({"person": name, "link": link, "expires_at": iso(now + INVITED_FOR_MS)})
        return
    print(link)
    print(f"{name} sets a password there, once, within a day", file=sys.stderr)


@people.command("list", epilog=f"Example: congvan desk people list --json. {_EXITS}")
def list_(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the people, those whose access has ended too."""
    from consumers.cli.showing import print_json
    from consumers.spool.people import PEOPLE, cards

    with opened_spool(data_dir, to_read=True) as spool, spool.reading() as conn:
        rows = PEOPLE.list_all(conn)
        known = cards(conn, [row.person.name for row in rows])
    for row in rows:
        fields = _fields(row, known[row.person.name].full_name)
        if as_json:
            print_json(fields)
        else:
            print("\t".join(str(value) for value in fields.values()))


@people.command(
    epilog="Examples: congvan desk people revoke hoa · congvan desk people revoke hoa --role clerk --on LCA.02.05. "
    f"{_EXITS}"
)
def revoke(name: Name, role: Roles = None, on: On = "", data_dir: DataDir = None) -> None:
    """End a person's access at once, or take roles back."""
    from consumers.spool.journal import JournalAct
    from consumers.spool.people import PEOPLE
    from schemas.clock import now_ms

    grants, now = _grants(role or [], on), now_ms()
    with opened_spool(data_dir) as spool, spool.writing() as conn:
        for grant in grants:
            PEOPLE.withdraw(conn, name, grant)
        if not grants:
            PEOPLE.revoke(conn, name, now_ms=now)
        _note(conn, JournalAct.WITHDRAWN if grants else JournalAct.REVOKED, on, name, ", ".join(role or []), now)
    print(f"{name} is no longer {', '.join(role)} on {on}" if role else f"{name} has no access any more")


def _grants(roles: list[str], on: str) -> list[RoleGrant]:
    from consumers.spool.people import PEOPLE

    if bool(roles) is not bool(on):
        raise typer.BadParameter("--role and --on belong together")
    try:
        return [PEOPLE.check_grant(role, on) for role in roles]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _give_address(conn: Connection, name: str, email: str, now: int) -> None:
    from consumers.desk.mailing import MAILING

    try:
        MAILING.recipients.give_address(conn, name, email, now_ms=now)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _checked(name: str) -> str:
    from router.pages.people.persons import check_name

    try:
        return check_name(name)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _note(conn: Connection, act: JournalAct, on: str, name: str, detail: str, now: int) -> None:
    from consumers.spool import journal
    from consumers.spool.journal import JournalEntry

    who = f"{getpass.getuser()} (command)"
    journal.record(conn, JournalEntry(now, who, act, on.removesuffix(".#"), name, detail))


def _fields(row: PersonRow, full_name: str) -> dict[str, object]:
    from schemas.clock import now_ms

    if row.revoked_at is not None:
        state = "revoked"
    elif row.has_password:
        state = "locked out" if row.locked_until > now_ms() else "active"
    else:
        state = "invited" if (row.invited_until or 0) > now_ms() else "invitation ended"
    roles = ", ".join(f"{grant.role} on {grant.pattern}" for grant in row.person.grants) or "none"
    return {"person": row.person.name, "full_name": full_name, "state": state, "roles": roles}
