"""The accounts of callers: made, found by their token, given another one, revoked."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, false, func, or_, select, update

from router.errors import AccountExistsError, NotFoundError, RefusedError
from router.ledger.models import account as table
from router.ledger.people import rights
from router.ledger.people.tokens import NewToken, key_of, matches, new_token
from router.storage.statements import insert_of
from schemas.accounts import Account, Role, parse_account
from schemas.codes import ancestors_of

_NOBODY = new_token().hash
"""Compared with when no account has the key, so that an unknown key takes as long as a wrong secret."""


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account as the ledger has it; times are UTC milliseconds."""

    account: Account
    token_key: str
    token_hash: str
    created_at: int
    expires_at: int | None
    revoked_at: int | None

    @property
    def name(self) -> str:
        """The login."""
        return self.account.name

    def is_valid(self, now_ms: int) -> bool:
        """Whether its token is good."""
        return self.revoked_at is None and (self.expires_at is None or now_ms < self.expires_at)


_ROW = select(
    table.c.name, table.c.token_key, table.c.token_hash, table.c.created_at, table.c.expires_at, table.c.revoked_at
)


def create_account(conn: Connection, account: Account, *, now_ms: int, expires_at: int | None = None) -> str:
    """Make an account, or make one anew that was revoked or has expired.

    Args:
        conn: a transaction that writes.
        account: who it is.
        now_ms: the present, UTC milliseconds.
        expires_at: when its token ends, UTC milliseconds; None: never.

    Returns:
        The token's text. It is kept nowhere: who loses it needs another.

    Raises:
        AccountExistsError: the account is in use.
    """
    token = new_token()
    values = _token_values(conn, token, now_ms) | {"created_at": now_ms, "expires_at": expires_at, "revoked_at": None}
    fixed = {"name": account.name, "role": account.role.value, "pattern": account.pattern}
    ended = or_(table.c.revoked_at.is_not(None), table.c.expires_at <= now_ms)
    statement = insert_of(conn, table).values(**fixed, **values)
    statement = statement.on_conflict_do_update(index_elements=["name"], set_=values, where=ended)
    if conn.scalar(statement.returning(table.c.name)) is None:
        raise AccountExistsError(f"the account {account.name} is in use")
    rights.withdraw(conn, account)  # made anew, it has what its role gives
    return token.text


def authenticate(conn: Connection, token: str, *, now_ms: int) -> Account | None:
    """Whose token it is; None when it is nobody's, has expired or was revoked."""
    key = key_of(token)
    found = None if key is None else conn.execute(_ROW.where(table.c.token_key == key)).first()
    row = found and _read(*found)
    if not matches(token, row.token_hash if row else _NOBODY) or row is None:
        return None
    return row.account if row.is_valid(now_ms) else None


def gateways_of(conn: Connection, code: str) -> list[AccountRow]:
    """The accounts of gateways that may stand for a unit and are not revoked, the one that ends last first."""
    patterns = [code, *(f"{head}.#" for head in (code, *ancestors_of(code)))]
    some = table.c.pattern.in_(patterns), table.c.role == Role.GATEWAY.value, table.c.revoked_at.is_(None)
    lasts = table.c.expires_at.desc().nulls_first()
    return [_read(*row) for row in conn.execute(_ROW.where(*some).order_by(lasts))]


def rotate(conn: Connection, name: str, *, now_ms: int, expires_at: int | None = None) -> str:
    """Give an account another token; the previous one is no longer good.

    Args:
        conn: a transaction that writes.
        name: the account's login.
        now_ms: the present, UTC milliseconds.
        expires_at: when the new token ends; None: as the one before.

    Raises:
        NotFoundError: there is no such account.
        RefusedError: the account has ended; it can be created anew.
    """
    row = find_account(conn, name)
    if row.revoked_at is not None or (expires_at is None and not row.is_valid(now_ms)):
        raise RefusedError(f"the account {name} has ended", hint="make it anew with `congvan token create`")
    token = new_token()
    values = _token_values(conn, token, now_ms) | {"expires_at": expires_at or row.expires_at}
    conn.execute(update(table).where(table.c.name == name).values(values))
    return token.text


def let_end(conn: Connection, name: str, expires_at: int | None, *, now_ms: int) -> AccountRow:
    """Have an account's token end at a moment (UTC ms), or never (None).

    Raises:
        NotFoundError: there is no such account.
        RefusedError: the account has ended; it can be created anew.
    """
    if not find_account(conn, name).is_valid(now_ms):
        raise RefusedError(f"the account {name} has ended", hint="make it anew with `congvan token create`")
    values = {"expires_at": expires_at, "changed_at": _next_change(conn, now_ms)}
    conn.execute(update(table).where(table.c.name == name).values(values))
    return find_account(conn, name)


def revoke(conn: Connection, name: str, *, now_ms: int) -> AccountRow:
    """End an account at once; one that was revoked before keeps its time.

    Raises:
        NotFoundError: there is no such account.
    """
    values = {"revoked_at": func.coalesce(table.c.revoked_at, now_ms), "changed_at": _next_change(conn, now_ms)}
    conn.execute(update(table).where(table.c.name == name).values(values))
    return find_account(conn, name)


def find_account(conn: Connection, name: str) -> AccountRow:
    """The account with a login.

    Raises:
        NotFoundError: there is none.
    """
    row = conn.execute(_ROW.where(table.c.name == name)).first()
    if row is None:
        raise NotFoundError(f"there is no account {name}", hint="`congvan token list` shows them")
    return _read(*row)


def list_accounts(conn: Connection) -> list[AccountRow]:
    """All accounts by name, the ended ones too."""
    return [_read(*row) for row in conn.execute(_ROW.order_by(table.c.name))]


def accounts_of(conn: Connection, patterns: Iterable[str], *, after: str = "", limit: int = 100) -> list[AccountRow]:
    """Accounts whose units are all of one of the patterns, the ended ones too: the page after a name."""
    own = or_(false(), *(_of(pattern) for pattern in patterns))
    page = _ROW.where(own, table.c.name > after).order_by(table.c.name).limit(limit)
    return [_read(*row) for row in conn.execute(page)]


def _of(pattern: str) -> ColumnElement[bool]:
    head = pattern.removesuffix(".#")
    own = table.c.pattern == head
    return or_(own, table.c.pattern.startswith(f"{head}.", autoescape=True)) if pattern.endswith(".#") else own


def last_change(conn: Connection) -> int:
    """When an account last changed (UTC ms; 0: never): a larger figure means that they have to be read again."""
    return int(conn.scalar(select(func.max(table.c.changed_at))) or 0)


def _token_values(conn: Connection, token: NewToken, now_ms: int) -> dict[str, Any]:
    return {"token_key": token.key, "token_hash": token.hash, "changed_at": _next_change(conn, now_ms)}


def _next_change(conn: Connection, now_ms: int) -> int:
    return max(now_ms, last_change(conn) + 1)


def _read(name: str, *rest: Any) -> AccountRow:
    return AccountRow(parse_account(name), *rest)
