"""``congvan token``: make, list, replace and revoke the tokens that callers are known by."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.console_output import (
    EXIT_CODES,
    JsonOption,
    future_moment,
    local_time,
    open_ledger,
    person_here,
    print_json,
    print_table,
)
from router.cli.showing_rights import changed_rights, print_rights
from schemas.clock import now_ms
from schemas.rights import DEFAULTS, MAX_ALLOWED

if TYPE_CHECKING:
    from router.ledger.people.accounts import AccountRow
    from router.ledger.people.audit import By
    from schemas.accounts import Account

app = typer.Typer(no_args_is_help=True, add_completion=False)

_CREATE_EPILOG = f"""Examples:

`congvan token create gateway:LCA.02.#`: the gateways of a district and its communes

`congvan token create issuer:LCA.VP --label erp --expires 365d`: an upstream system that sends for one unit

`congvan token create operator:LCA.# --json`: who watches and acts on all

`congvan token create gateway:LCA.02 --reach above --reach 'LCA.#' --max-urgency 4`: may reach the province, express

{EXIT_CODES} Here 4: the account is in use."""
_GRANT_EPILOG = f"""Examples:

`congvan token grant gateway:LCA.02.# --max-urgency 3`: its units may send express dispatches, too

`congvan token grant issuer:LCA.VP --over-below --dispatches-per-hour 500`: may recall what its units have sent

`congvan token grant gateway:LCA.02.# --as-by-role`: what every gateway may

What is not named stays as it is. A change works at every router within seconds.

{EXIT_CODES} Here 3: there is no such account."""
_EPILOG = f"Example: `congvan token %s`\n\n{EXIT_CODES} Here 3: there is no such account."

NameArgument = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's name, as `token list` shows it.")]
ExpiresOption = Annotated[
    str, typer.Option("--expires", metavar="WHEN", help="When the token ends: 90d, 12h, 2027-01-31; without it, never.")
]


ReachOption = Annotated[
    list[str] | None,
    typer.Option(
        "--reach",
        metavar="WHOM",
        help="Whom it may address, seen from the issuer: above, beside, below, all, a unit or a subtree; several "
        "times for several; none: nobody. Default: issuers all, gateways above, beside and below, operators nobody.",
    ),
]
UrgencyOption = Annotated[
    int | None, typer.Option(min=0, max=4, help="The highest urgency. Default: issuers 4, gateways 2.")
]
OverBelowOption = Annotated[
    bool | None,
    typer.Option(
        "--over-below/--own-only", help="Whether it may recall, update and replace what units below it have sent."
    ),
]
DispatchesOption = Annotated[
    int | None, typer.Option(min=0, max=MAX_ALLOWED, help="Dispatches an hour. Default: gateways 300.")
]
DeliveriesOption = Annotated[
    int | None, typer.Option(min=0, max=MAX_ALLOWED, help="Addressees of all of them. Default: gateways 3000.")
]
BytesOption = Annotated[
    int | None,
    typer.Option(min=0, max=MAX_ALLOWED, help="Bytes of files, for each addressee. Default: gateways 10 GiB."),
]


@app.callback()
def _group() -> None:
    """Make, list and revoke the tokens of callers."""


@app.command(epilog=_CREATE_EPILOG)
def create(
    name: Annotated[
        str, typer.Argument(metavar="ROLE:PATTERN", help="gateway, issuer, operator or watcher, and its units.")
    ],
    label: Annotated[str, typer.Option(help="Tells accounts of one role and pattern apart.")] = "",
    expires: ExpiresOption = "",
    reach: ReachOption = None,
    max_urgency: UrgencyOption = None,
    over_below: OverBelowOption = None,
    dispatches_per_hour: DispatchesOption = None,
    deliveries_per_hour: DeliveriesOption = None,
    bytes_per_hour: BytesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an account and print its token, this once."""
    from router.ledger.acts import token_acts
    from router.ledger.engine import writing

    account = _account(f"{name}:{label}" if label else name)
    expires_at = future_moment(expires) if expires else None
    amounts = dispatches_per_hour, deliveries_per_hour, bytes_per_hour
    wanted = changed_rights(DEFAULTS[account.role], reach, max_urgency, over_below, amounts)
    with open_ledger(begin=True) as engine, writing(engine) as conn:
        token = token_acts.make(conn, account, _by(), expires_at=expires_at, may=wanted)
    _tell(account, token, as_json=as_json)


@app.command("list", epilog=f"Example: `congvan token list --json`\n\n{EXIT_CODES}")
def list_(as_json: JsonOption = False) -> None:
    """List the accounts, those that have ended too."""
    from router.ledger.engine import reading
    from router.ledger.people.accounts import list_accounts

    with open_ledger() as engine, reading(engine) as conn:
        rows = list_accounts(conn)
    if as_json:
        print_json(_json(row) for row in rows)
        return
    columns = "account", "state", "created", "expires"
    print_table(
        columns, [(row.name, _state(row), local_time(row.created_at), local_time(row.expires_at)) for row in rows]
    )


@app.command(epilog=_GRANT_EPILOG)
def grant(
    name: NameArgument,
    reach: ReachOption = None,
    max_urgency: UrgencyOption = None,
    over_below: OverBelowOption = None,
    dispatches_per_hour: DispatchesOption = None,
    deliveries_per_hour: DeliveriesOption = None,
    bytes_per_hour: BytesOption = None,
    as_by_role: Annotated[bool, typer.Option("--as-by-role", help="Begin with what its role gives.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Change what an account may send: whom to, how urgently, how much, and whose dispatches it may change."""
    from router.ledger.engine import writing
    from router.ledger.people import rights
    from router.ledger.people.accounts import find_account

    account = _account(name)
    amounts = dispatches_per_hour, deliveries_per_hour, bytes_per_hour
    with open_ledger() as engine, writing(engine) as conn:
        find_account(conn, account.name)
        before = DEFAULTS[account.role] if as_by_role else rights.rights_of(conn, account)
        after = changed_rights(before, reach, max_urgency, over_below, amounts)
        if after == DEFAULTS[account.role]:
            rights.withdraw(conn, account)
        else:
            rights.grant(conn, account, after)
    print_rights(account, after, as_json=as_json)


@app.command(epilog=_EPILOG % "show gateway:LCA.02.#")
def show(name: NameArgument, as_json: JsonOption = False) -> None:
    """Show what an account may send, and how much of it it has sent in this hour."""
    from router.ledger.engine import reading
    from router.ledger.people import rights
    from router.ledger.people.accounts import find_account

    account = _account(name)
    with open_ledger() as engine, reading(engine) as conn:
        find_account(conn, account.name)
        found, sent = rights.rights_of(conn, account), rights.used(conn, account.name, now_ms=now_ms())
    print_rights(account, found, sent, as_json=as_json)


@app.command(epilog=_EPILOG % "rotate issuer:LCA.VP:erp")
def rotate(name: NameArgument, expires: ExpiresOption = "", as_json: JsonOption = False) -> None:
    """Replace an account's token by another and print it, this once; the previous one is no longer good."""
    from router.ledger.acts import token_acts
    from router.ledger.engine import writing

    account = _account(name)
    expires_at = future_moment(expires) if expires else None
    with open_ledger() as engine, writing(engine) as conn:
        token = token_acts.replace(conn, account, _by(), expires_at=expires_at)
    _tell(account, token, as_json=as_json)


@app.command("let-end", epilog=_EPILOG % "let-end issuer:LCA.VP:erp --on 2027-01-31")
def let_end(
    name: NameArgument,
    on: Annotated[str, typer.Option(metavar="WHEN", help="90d, 2027-01-31 (with that day), or never.")],
    as_json: JsonOption = False,
) -> None:
    """Set when an account's token ends, or that it does not; the token stays the same."""
    from router.ledger.acts import token_acts
    from router.ledger.engine import writing

    account = _account(name)
    expires_at = None if on == "never" else future_moment(on)
    with open_ledger() as engine, writing(engine) as conn:
        row = token_acts.let_end(conn, account, expires_at, _by())
    if as_json:
        print_json([_json(row)])
    else:
        print(f"{row.name} ends {local_time(row.expires_at)}" if row.expires_at else f"{row.name} does not end")
    _tell_broker(account)


@app.command(epilog=_EPILOG % "revoke issuer:LCA.VP:erp")
def revoke(name: NameArgument, as_json: JsonOption = False) -> None:
    """End an account at once, at the web API and at the broker."""
    from router.ledger.acts import token_acts
    from router.ledger.engine import writing

    account = _account(name)
    with open_ledger() as engine, writing(engine) as conn:
        row = token_acts.withdraw(conn, account, _by())
    if as_json:
        print_json([_json(row)])
    else:
        print(f"{row.name} revoked {local_time(row.revoked_at)}")
    _tell_broker(account)


def _by() -> "By":
    from router.ledger.people.audit import By

    return By(person_here(), "", now_ms())


def _account(name: str) -> "Account":
    from schemas.accounts import parse_account

    try:
        return parse_account(name)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _tell(account: "Account", token: str, *, as_json: bool) -> None:
    if as_json:
        print_json([{"account": account.name, "token": token}])
    else:
        print(token)
        print(f"the token of {account.name}: keep it now, it is not kept here", file=sys.stderr)
    _tell_broker(account)


def _tell_broker(account: "Account") -> None:
    """Say who brings the account to the broker: never this command, which could not make good what it finds lost."""
    if account.role in {"gateway", "issuer"}:
        print(
            "a running router brings this to the broker within seconds; without one: `congvan topology apply`",
            file=sys.stderr,
        )


def _state(row: "AccountRow") -> str:
    if row.revoked_at is not None:
        return "revoked"
    return "valid" if row.is_valid(now_ms()) else "expired"


def _json(row: "AccountRow") -> dict[str, object]:
    return {
        "account": row.name,
        "role": row.account.role.value,
        "pattern": row.account.pattern,
        "label": row.account.label,
        "state": _state(row),
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
    }
