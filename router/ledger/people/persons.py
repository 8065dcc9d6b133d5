"""People who use the console: invited by a one-time token, known by a password, with roles granted on units.

A person is let in only by what this module says; what they see is :meth:`Person.scope`, what they may do
:meth:`Person.may`. Nobody has a password before they have set it themselves.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, case, delete, literal, not_, select, update

from router.errors import NotFoundError, RefusedError
from router.ledger.dialect import insert_of
from router.ledger.models import person as table
from router.ledger.models import person_role, web_session
from router.ledger.people import login_throttle
from router.ledger.scope import Scope
from schemas.codes import PATTERN_REGEX, covers
from schemas.deadlines import is_over

INVITED_FOR_MS = 24 * 3_600_000
"""How long a one-time token is good."""
_NAME = re.compile(r"^[a-z0-9][a-z0-9._-]{0,63}$")


class PersonRole(StrEnum):
    """What a person may do on the units it is granted on; all of them see."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    """Act on deliveries."""
    AUDITOR = "auditor"
    """Read the audit log."""
    ADMIN = "admin"
    """All of it."""


class Right(StrEnum):
    """What is asked of a person's roles."""

    SEE = "see"
    ACT = "act"
    AUDIT = "audit"
    ADMINISTER = "administer"
    """Change the organisation."""


_GIVES: dict[Right, frozenset[PersonRole]] = {
    Right.SEE: frozenset(PersonRole),
    Right.ACT: frozenset({PersonRole.OPERATOR, PersonRole.ADMIN}),
    Right.AUDIT: frozenset({PersonRole.AUDITOR, PersonRole.ADMIN}),
    Right.ADMINISTER: frozenset({PersonRole.ADMIN}),
}


@dataclass(frozen=True, slots=True, order=True)
class RoleGrant:
    """A role on a unit pattern."""

    role: PersonRole
    pattern: str


@dataclass(frozen=True, slots=True)
class Person:
    """Who uses the console, and what was granted."""

    name: str
    grants: tuple[RoleGrant, ...]

    def patterns(self, right: Right) -> tuple[str, ...]:
        """The units on which the person has a right."""
        return tuple(dict.fromkeys(grant.pattern for grant in self.grants if grant.role in _GIVES[right]))

    def may(self, right: Right, unit: str) -> bool:
        """Whether the person has a right on a unit."""
        return any(covers(pattern, unit) for pattern in self.patterns(right))

    def scope(self, right: Right = Right.SEE) -> Scope:
        """What the person sees, as the queries take it; what they may act on or audit, by its unit alone."""
        patterns = self.patterns(right)
        return Scope(units=patterns, issuers=patterns if right is Right.SEE else ())

    @property
    def reach(self) -> frozenset[str]:
        """The units that the person sees, in as few patterns as can be: who has the same reach sees the same."""
        seen = self.patterns(Right.SEE)
        return frozenset(some for some in seen if not any(other != some and _includes(other, some) for other in seen))

    @property
    def home(self) -> str:
        """The unit under which the person's own doings are audited; empty when nothing is granted."""
        return self.grants[0].pattern.removesuffix(".#") if self.grants else ""


def _includes(pattern: str, other: str) -> bool:
    """Whether all units of another pattern are of this one."""
    return pattern.endswith(".#") and covers(pattern, other.removesuffix(".#"))


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A person as the ledger has them; times are UTC milliseconds."""

    person: Person
    has_password: bool
    invited_until: int | None
    locked_until: int
    created_at: int
    revoked_at: int | None


def check_name(name: str) -> str:
    """The name as given.

    Raises:
        ValueError: it is no login.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name; write a-z, 0-9, dot, dash, underscore, such as nguyen.van.a")
    return name


def check_grant(role: str, pattern: str) -> RoleGrant:
    """The grant that a role's name and a unit pattern make.

    Raises:
        ValueError: there is no such role, or the text is no pattern.
    """
    if role not in set(PersonRole):
        raise ValueError(f"{role!r} is no role; there is {', '.join(PersonRole)}")
    if not re.fullmatch(PATTERN_REGEX, pattern):
        raise ValueError(f"{pattern!r} is no unit pattern; write LCA.02.05, or LCA.02.# for a subtree")
    return RoleGrant(PersonRole(role), pattern)


def invite(conn: Connection, name: str, grants: Iterable[RoleGrant] = (), *, now_ms: int) -> str:
    """Make a person, or give an existing one another way in; this ends a lock and a revocation.

    Args:
        conn: a transaction that writes.
        name: the login, of :func:`check_name`.
        grants: what is granted in addition to what was before.
        now_ms: the present, UTC milliseconds.

    Returns:
        The one-time token, good for a day. It is kept nowhere; the next invitation ends it.
    """
    token = secrets.token_urlsafe(32)
    values = {
        "invite_hash": hash_of(token),
        "invite_expires_at": now_ms + INVITED_FOR_MS,
        "revoked_at": None,
    }
    login_throttle.forgive(conn, name)
    statement = insert_of(conn, table).values(name=name, created_at=now_ms, **values)
    conn.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))
    for grant in grants:
        row = {"person": name, "role": grant.role.value, "pattern": grant.pattern}
        conn.execute(insert_of(conn, person_role).values(row).on_conflict_do_nothing())
    return token


def invited(conn: Connection, token: str, *, now_ms: int) -> Person:
    """Whom a one-time token lets in.

    Raises:
        NotFoundError: nobody: it was used, has ended or never was.
    """
    lasts = not_(is_over(table.c.invite_expires_at, now=now_ms, longest=INVITED_FOR_MS))
    good = table.c.invite_hash == hash_of(token), lasts, table.c.revoked_at.is_(None)
    name = conn.scalar(select(table.c.name).where(*good))
    if name is None:
        raise NotFoundError("the one-time link was used or has ended", hint="ask for another: `congvan people invite`")
    return _read(conn, name)


def set_password(conn: Connection, token: str, password_hash: str, *, now_ms: int) -> Person:
    """Use a one-time token to set a password; all the person's sessions end.

    Raises:
        NotFoundError: as :func:`invited`.
    """
    found = invited(conn, token, now_ms=now_ms)
    values = {"password_hash": password_hash, "invite_hash": None, "invite_expires_at": None}
    used = update(table).where(table.c.name == found.name, table.c.invite_hash == hash_of(token))
    if not conn.execute(used.values(values)).rowcount:
        raise NotFoundError("the one-time link was used a moment ago")
    conn.execute(delete(web_session).where(web_session.c.person == found.name))
    login_throttle.forget_devices(conn, found.name)
    return found


def password_of(conn: Connection, name: str) -> str | None:
    """The hash that a password is to be compared with; None: nobody of that name may log in."""
    return conn.scalar(select(table.c.password_hash).where(table.c.name == name, table.c.revoked_at.is_(None)))


def end_login(conn: Connection, name: str, password_hash: str, *, new_hash: str = "") -> Person | None:
    """The password was right. None when the person has changed since it was asked for.

    Args:
        conn: a transaction that writes.
        name: who.
        password_hash: what :func:`password_of` gave.
        new_hash: when given, replaces it: the same password hashed with today's parameters.
    """
    same = table.c.name == name, table.c.password_hash == password_hash, table.c.revoked_at.is_(None)
    values = {"password_hash": new_hash or password_hash}
    return _read(conn, name) if conn.execute(update(table).where(*same).values(values)).rowcount else None


def let_in(conn: Connection, name: str) -> Person:
    """The person whom an identity provider has named, when they may come in; failed passwords here do not count.

    Raises:
        NotFoundError: the person's access has ended.
    """
    if conn.scalar(select(table.c.name).where(table.c.name == name, table.c.revoked_at.is_(None))) is None:
        raise NotFoundError(f"{name} has no access any more", hint="an administrator invites again")
    return _read(conn, name)


def revoke(conn: Connection, name: str, *, now_ms: int) -> None:
    """End a person's access at once; an invitation gives it again.

    Raises:
        NotFoundError: there is no such person.
    """
    at = case((table.c.revoked_at.is_(None), literal(now_ms)), else_=table.c.revoked_at)
    ended = {"revoked_at": at, "password_hash": None, "invite_hash": None, "invite_expires_at": None}
    if not conn.execute(update(table).where(table.c.name == name).values(ended)).rowcount:
        raise NotFoundError(f"there is no person {name}", hint="`congvan people list` shows them")
    conn.execute(delete(web_session).where(web_session.c.person == name))
    login_throttle.forget_devices(conn, name)


def withdraw(conn: Connection, name: str, grant: RoleGrant) -> None:
    """Take a grant back, from the next request on.

    Raises:
        RefusedError: the person does not have it.
    """
    row = person_role.c.person == name, person_role.c.role == grant.role.value, person_role.c.pattern == grant.pattern
    if not conn.execute(delete(person_role).where(*row)).rowcount:
        raise RefusedError(f"{name} is not {grant.role} on {grant.pattern}", hint="`congvan people list` shows who is")


def find_person(conn: Connection, name: str) -> Person | None:
    """A person with the grants of now; None: there is none, or the access has ended."""
    found = conn.scalar(select(table.c.name).where(table.c.name == name, table.c.revoked_at.is_(None)))
    return None if found is None else _read(conn, name)


def of_same_reach(conn: Connection, person: Person) -> list[str]:
    """The others who see the same units."""
    row = person_role.c
    alike = select(row.person).where(row.pattern.in_(person.reach), row.person != person.name)
    good = select(table.c.name).where(table.c.name.in_(alike), table.c.revoked_at.is_(None)).order_by(table.c.name)
    names = list(conn.scalars(good))
    granted = _grants(conn, names)
    return [name for name in names if Person(name, granted[name]).reach == person.reach]


def list_people(conn: Connection) -> list[PersonRow]:
    """All people by name, those whose access has ended too."""
    rows = conn.execute(select(table).order_by(table.c.name)).all()
    granted = _grants(conn, [row.name for row in rows])
    locked = login_throttle.locked_names(conn, [row.name for row in rows])
    return [
        PersonRow(
            person=Person(row.name, granted[row.name]),
            has_password=row.password_hash is not None,
            invited_until=row.invite_expires_at,
            locked_until=locked.get(row.name, 0),
            created_at=row.created_at,
            revoked_at=row.revoked_at,
        )
        for row in rows
    ]


def hash_of(token: str) -> str:
    """What the ledger keeps of a random token; a fast hash is right for 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()


def _read(conn: Connection, name: str) -> Person:
    return Person(name, _grants(conn, [name])[name])


def _grants(conn: Connection, names: Sequence[str]) -> dict[str, tuple[RoleGrant, ...]]:
    found: dict[str, list[RoleGrant]] = {name: [] for name in names}
    for name, role, pattern in conn.execute(select(person_role).where(person_role.c.person.in_(names))):
        found[name].append(RoleGrant(PersonRole(role), pattern))
    return {name: tuple(sorted(grants)) for name, grants in found.items()}
