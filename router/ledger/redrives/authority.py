"""On whose authority a redrive is made and goes on: a person, an account, or whoever holds the ledger itself."""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection

from router.errors import NotFoundError
from router.ledger.people.accounts import find_account
from router.ledger.people.persons import PEOPLE, Right, scope_of
from router.ledger.scope import EVERYTHING, Scope
from schemas.accounts import Role


class AuthorityKind(StrEnum):
    """By which door somebody came."""

    PERSON = "person"
    """The console."""
    ACCOUNT = "account"
    """The web API."""
    TERMINAL = "terminal"
    """A command on the ledger's machine."""


@dataclass(frozen=True, slots=True)
class Authority:
    """Who; ``name`` is a login, an account's name, or ``user@host``."""

    kind: AuthorityKind
    name: str


def acting_scope(conn: Connection, who: Authority, *, now_ms: int) -> Scope | None:
    """On which units somebody may act now; None: on none any more."""
    if who.kind is AuthorityKind.TERMINAL:
        return EVERYTHING
    if who.kind is AuthorityKind.PERSON:
        person = PEOPLE.find(conn, who.name)
        return scope_of(person, Right.ACT) if person and person.patterns(Right.ACT) else None
    try:
        row = find_account(conn, who.name)
    except NotFoundError:
        return None
    may = row.is_valid(now_ms) and row.account.role is Role.OPERATOR
    return Scope(units=(row.account.pattern,)) if may else None
