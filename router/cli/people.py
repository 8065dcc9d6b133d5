"""``congvan people``: who may use the console; each comes in by a one-time link and sets a password of their own."""

import getpass
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.console_output import EXIT_CODES, JsonOption, local_time, open_ledger, print_json, print_table
from schemas.clock import now_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.ledger.people.audit import Act, AuditEntry
    from router.pages.people import PersonRow, RoleGrant

app = typer.Typer(no_args_is_help=True, add_completion=False)

_INVITE_EPILOG = f"""Examples:

`congvan people invite nguyen.van.a --role admin --on 'LCA.#'`: the first one, who may do everything in the province

`congvan people invite tran.thi.b --role operator --on 'LCA.02.#'`: who sees a district and acts on its deliveries

`congvan people invite tran.thi.b --email b@example.vn`: who may also come in through the identity provider

`congvan people invite tran.thi.b`: another way in for somebody who forgot the password or is locked out

{EXIT_CODES}"""
_REVOKE_EPILOG = f"""Examples:

`congvan people revoke tran.thi.b`: no access from now on, open sessions end

`congvan people revoke tran.thi.b --role operator --on 'LCA.02.#'`: this role alone

{EXIT_CODES} Here 3: there is no such person; 4: without that role."""

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The login: a-z, 0-9, dot, dash, underscore.")]
RoleOption = Annotated[str, typer.Option(help="viewer, operator, issuer, auditor or admin; needs --on.")]
EmailOption = Annotated[
    str,
    typer.Option(metavar="ADDRESS", help="Let the identity provider's account with this verified address in, too."),
]
OnOption = Annotated[
    str, typer.Option("--on", metavar="PATTERN", help="The units: one, or a subtree as LCA.02.#; needs --role.")
]


@app.callback()
def _group() -> None:
    """Invite, list and revoke the people who use the console."""


@app.command(epilog=_INVITE_EPILOG)
def invite(
    name: NameArgument, role: RoleOption = "", on: OnOption = "", email: EmailOption = "", as_json: JsonOption = False
) -> None:
    """Print a one-time link by which a person sets a password; with a role, grant it."""
    from router.ledger.engine import writing
    from router.ledger.people import audit, identities
    from router.ledger.people.audit import Act
    from router.ledger.people.persons import PEOPLE
    from router.pages.people.persons import INVITED_FOR_MS

    grant = _grant(role, on)
    with open_ledger(begin=True) as engine, writing(engine) as conn:
        now = now_ms()
        token = PEOPLE.invite(conn, _checked(name), [grant] if grant else [], now_ms=now)
        if email:
            with _as_parameter():
                identities.set_email(conn, name, email)
        audit.record(conn, _entry(Act.INVITED, name, grant, now))
    link = link_of(token)
    if as_json:
        print_json([{"person": name, "link": link, "expires_at": now + INVITED_FOR_MS}])
        return
    print(link)
    print(f"{name} sets a password there, once, until {local_time(now + INVITED_FOR_MS)}", file=sys.stderr)


@app.command("list", epilog=f"Example: `congvan people list --json`\n\n{EXIT_CODES}")
def list_(as_json: JsonOption = False) -> None:
    """List the people, those whose access has ended too."""
    from router.ledger.engine import reading
    from router.ledger.people.persons import PEOPLE

    with open_ledger() as engine, reading(engine) as conn:
        rows = PEOPLE.list_all(conn)
    if as_json:
        print_json(_json(row) for row in rows)
        return
    print_table(
        ("person", "state", "roles", "since"),
        [(row.person.name, _state(row), _roles(row), local_time(row.created_at)) for row in rows],
    )


@app.command(epilog=_REVOKE_EPILOG)
def revoke(name: NameArgument, role: RoleOption = "", on: OnOption = "", as_json: JsonOption = False) -> None:
    """End a person's access at once, or take one role back."""
    from router.ledger.engine import writing
    from router.ledger.people import audit
    from router.ledger.people.audit import Act
    from router.ledger.people.persons import PEOPLE

    grant = _grant(role, on)
    with open_ledger() as engine, writing(engine) as conn:
        now = now_ms()
        if grant:
            PEOPLE.withdraw(conn, name, grant)
        else:
            PEOPLE.revoke(conn, name, now_ms=now)
        audit.record(conn, _entry(Act.WITHDRAWN if grant else Act.REVOKED, name, grant, now))
    if as_json:
        print_json([{"person": name, "revoked": on or "everything"}])
    else:
        print(f"{name} is no longer {role} on {on}" if grant else f"{name} has no access any more")


def link_of(token: str) -> str:
    """Where a one-time token is used: at the web API's address of the settings."""
    from router.settings import RouterSettings

    return f"{RouterSettings().api_url.rstrip('/')}/console/welcome?token={token}"


def _grant(role: str, on: str) -> "RoleGrant | None":
    from router.ledger.people.persons import PEOPLE

    if not role and not on:
        return None
    try:
        return PEOPLE.check_grant(role, on)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


@contextmanager
def _as_parameter() -> "Iterator[None]":
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _checked(name: str) -> str:
    from router.pages.people.persons import check_name

    try:
        return check_name(name)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _entry(act: "Act", name: str, grant: "RoleGrant | None", now: int) -> "AuditEntry":
    from router.ledger.people.audit import AuditEntry

    subject = f"{name} {grant.role} {grant.pattern}" if grant else name
    unit = grant.pattern.removesuffix(".#") if grant else ""
    return AuditEntry(now, f"{getpass.getuser()} (command)", act, subject, unit)


def _state(row: "PersonRow") -> str:
    now = now_ms()
    if row.revoked_at is not None:
        return "revoked"
    if row.locked_until > now:
        return "locked out"
    if row.has_password:
        return "active"
    return "invited" if (row.invited_until or 0) > now else "invitation ended"


def _roles(row: "PersonRow") -> str:
    return ", ".join(f"{grant.role} on {grant.pattern}" for grant in row.person.grants) or "none"


def _json(row: "PersonRow") -> dict[str, object]:
    return {
        "person": row.person.name,
        "state": _state(row),
        "roles": [{"role": grant.role.value, "on": grant.pattern} for grant in row.person.grants],
        "created_at": row.created_at,
        "revoked_at": row.revoked_at,
    }
