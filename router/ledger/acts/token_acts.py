"""What people do with accounts' tokens, each act in the audit log: made, replaced, given an end, withdrawn."""

from sqlalchemy import Connection

from router.errors import ActRefusedError
from router.ledger.people import accounts, audit, rights
from router.ledger.people.accounts import AccountRow
from router.ledger.people.audit import Act, AuditEntry, By
from schemas.accounts import Account
from schemas.clock import iso
from schemas.rights import DEFAULTS, Rights


def make(
    conn: Connection, account: Account, by: By, *, expires_at: int | None = None, may: Rights | None = None
) -> str:
    """Make an account, or make one anew that has ended.

    Args:
        conn: a transaction that writes.
        account: who it is.
        by: who makes it, and why.
        expires_at: when its token ends, UTC ms; None: never.
        may: what it may send; None: what its role gives.

    Returns:
        The token's text, which is kept nowhere.

    Raises:
        AccountExistsError: the account is in use.
    """
    token = accounts.create_account(conn, account, now_ms=by.now_ms, expires_at=expires_at)
    if may is not None and may != DEFAULTS[account.role]:
        rights.grant(conn, account, may)
    _note(conn, Act.TOKEN_MADE, account, by, expires_at)
    return token


def replace(
    conn: Connection, account: Account, by: By, *, expires_at: int | None = None, seen: str | None = None
) -> str:
    """Give an account another token; the previous one is no longer good. Arguments and result as of :func:`make`.

    Args:
        conn: a transaction that writes.
        account: whose.
        by: who, and why.
        expires_at: when the new one ends, UTC ms; None: as the one before.
        seen: the public part of the token that is replaced; None: whichever it is. So a second click does nothing.

    Raises:
        NotFoundError: there is no such account.
        RefusedError: the account has ended.
        ActRefusedError: its token is another one meanwhile.
    """
    before = accounts.find_account(conn, account.name)
    if seen is not None and before.token_key != seen:
        raise ActRefusedError(f"the token of {account.name} was replaced meanwhile", hint="look at it again")
    token = accounts.rotate(conn, account.name, now_ms=by.now_ms, expires_at=expires_at)
    _note(conn, Act.TOKEN_REPLACED, account, by, expires_at or before.expires_at)
    return token


def let_end(conn: Connection, account: Account, expires_at: int | None, by: By) -> AccountRow:
    """Have an account's token end at a moment (UTC ms), or never (None).

    Raises:
        NotFoundError: there is no such account.
        RefusedError: it has ended.
        ActRefusedError: the moment has passed.
    """
    if expires_at is not None and expires_at <= by.now_ms:
        raise ActRefusedError("the time at which the token is to end has passed", hint="give a later one, or revoke it")
    before = accounts.find_account(conn, account.name)
    row = accounts.let_end(conn, account.name, expires_at, now_ms=by.now_ms)
    if before.expires_at != expires_at:
        _note(conn, Act.TOKEN_ENDS, account, by, expires_at)
    return row


def withdraw(conn: Connection, account: Account, by: By) -> AccountRow:
    """End an account at once; one that was revoked before keeps its time.

    Raises:
        NotFoundError: there is no such account.
    """
    before = accounts.find_account(conn, account.name)
    row = accounts.revoke(conn, account.name, now_ms=by.now_ms)
    if before.revoked_at is None:
        _note(conn, Act.TOKEN_REVOKED, account, by, None)
    return row


def _note(conn: Connection, act: Act, account: Account, by: By, expires_at: int | None) -> None:
    unit, detail = account.pattern.removesuffix(".#"), iso(expires_at) if expires_at else ""
    audit.record(conn, AuditEntry(by.now_ms, by.who, act, account.name, unit, by.why, by.address, detail))
