"""People who use a program's pages: invited by a one-time token, known by a password, with roles granted on units.

A person is let in only by what this module says. Nobody has a password before they have set it themselves.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, Table, case, delete, literal, not_, select, update

from router.pages.errors import GrantMissingError, LinkEndedError, UnknownPersonError
from router.pages.people.roles import Person, RoleGrant
from router.pages.people.tables import PeopleTables
from router.pages.people.throttle import Throttle
from router.storage.statements import insert_of
from schemas.codes import PATTERN_REGEX
from schemas.deadlines import is_over

INVITED_FOR_MS = 24 * 3_600_000
"""How long a one-time token is good."""
_NAME = re.compile(r"^[a-z0-9][a-z0-9._-]{0,63}$")


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A person as the program has them; times are UTC milliseconds."""

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


def hash_of(token: str) -> str:
    """What is kept of a random token; a fast hash is right for 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()


class People:
    """The people of a program.

    Args:
        tables: where it keeps them.
        roles: those that it grants.
        command: of the program, which invites and lists people; hints name it.
        ends_too: tables with a column ``person`` whose rows end with the person's access: the login may be given to
            somebody else.
        ways_in: columns of a person by which they come in besides a password; they end with it.
    """

    def __init__(
        self,
        tables: PeopleTables,
        roles: type[StrEnum],
        command: str,
        *,
        ends_too: Sequence[Table] = (),
        ways_in: Sequence[str] = (),
    ) -> None:
        self.roles = roles
        self._tables = tables
        self._ends_too, self._ways_in = ends_too, ways_in
        self._person = tables.person.c
        self._throttle = Throttle(tables)
        self._command = command

    def check_grant(self, role: str, pattern: str) -> RoleGrant:
        """The grant that a role's name and a unit pattern make.

        Raises:
            ValueError: there is no such role, or the text is no pattern.
        """
        if role not in set(self.roles):
            raise ValueError(f"{role!r} is no role; there is {', '.join(self.roles)}")
        if not re.fullmatch(PATTERN_REGEX, pattern):
            raise ValueError(f"{pattern!r} is no unit pattern; write LCA.02.05, or LCA.02.# for a subtree")
        return RoleGrant(self.roles(role), pattern)

    def invite(self, conn: Connection, name: str, grants: Iterable[RoleGrant] = (), *, now_ms: int) -> str:
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
        self._throttle.forgive(conn, name)
        statement = insert_of(conn, self._tables.person).values(name=name, created_at=now_ms, **values)
        conn.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))
        for grant in grants:
            row = {"person": name, "role": grant.role.value, "pattern": grant.pattern}
            conn.execute(insert_of(conn, self._tables.role).values(row).on_conflict_do_nothing())
        return token

    def invited(self, conn: Connection, token: str, *, now_ms: int) -> Person:
        """Whom a one-time token lets in.

        Raises:
            LinkEndedError: nobody: it was used, has ended or never was.
        """
        person = self._person
        lasts = not_(is_over(person.invite_expires_at, now=now_ms, longest=INVITED_FOR_MS))
        good = person.invite_hash == hash_of(token), lasts, person.revoked_at.is_(None)
        name = conn.scalar(select(person.name).where(*good))
        if name is None:
            hint = f"ask for another: `{self._command} invite`"
            raise LinkEndedError("the one-time link was used or has ended", hint=hint)
        return self._read(conn, name)

    def set_password(self, conn: Connection, token: str, password_hash: str, *, now_ms: int) -> Person:
        """Use a one-time token to set a password; all the person's sessions end.

        Raises:
            LinkEndedError: as :meth:`invited`.
        """
        found = self.invited(conn, token, now_ms=now_ms)
        values = {"password_hash": password_hash, "invite_hash": None, "invite_expires_at": None}
        person = self._person
        used = update(self._tables.person).where(person.name == found.name, person.invite_hash == hash_of(token))
        if not conn.execute(used.values(values)).rowcount:
            raise LinkEndedError("the one-time link was used a moment ago")
        self._end_sessions(conn, found.name)
        return found

    def password_of(self, conn: Connection, name: str) -> str | None:
        """The hash that a password is to be compared with; None: nobody of that name may log in."""
        person = self._person
        return conn.scalar(select(person.password_hash).where(person.name == name, person.revoked_at.is_(None)))

    def end_login(self, conn: Connection, name: str, password_hash: str, *, new_hash: str = "") -> Person | None:
        """The password was right. None when the person has changed since it was asked for.

        Args:
            conn: a transaction that writes.
            name: who.
            password_hash: what :meth:`password_of` gave.
            new_hash: when given, replaces it: the same password hashed with today's parameters.
        """
        person = self._person
        same = person.name == name, person.password_hash == password_hash, person.revoked_at.is_(None)
        kept = update(self._tables.person).where(*same).values(password_hash=new_hash or password_hash)
        return self._read(conn, name) if conn.execute(kept).rowcount else None

    def revoke(self, conn: Connection, name: str, *, now_ms: int) -> None:
        """End a person's access at once; an invitation gives it again.

        Raises:
            UnknownPersonError: there is no such person.
        """
        person = self._person
        at = case((person.revoked_at.is_(None), literal(now_ms)), else_=person.revoked_at)
        ways = "password_hash", "invite_hash", "invite_expires_at", *self._ways_in
        ended = {"revoked_at": at, **dict.fromkeys(ways)}
        if not conn.execute(update(self._tables.person).where(person.name == name).values(ended)).rowcount:
            raise self.unknown(name)
        self._end_sessions(conn, name)
        for table in self._ends_too:
            conn.execute(delete(table).where(table.c.person == name))

    def withdraw(self, conn: Connection, name: str, grant: RoleGrant) -> None:
        """Take a grant back, from the next request on.

        Raises:
            GrantMissingError: the person does not have it.
        """
        role = self._tables.role.c
        row = role.person == name, role.role == grant.role.value, role.pattern == grant.pattern
        if not conn.execute(delete(self._tables.role).where(*row)).rowcount:
            hint = f"`{self._command} list` shows who is"
            raise GrantMissingError(f"{name} is not {grant.role} on {grant.pattern}", hint=hint)

    def find(self, conn: Connection, name: str) -> Person | None:
        """A person with the grants of now; None: there is none, or the access has ended."""
        person = self._person
        found = conn.scalar(select(person.name).where(person.name == name, person.revoked_at.is_(None)))
        return None if found is None else self._read(conn, name)

    def find_some(self, conn: Connection, names: Sequence[str]) -> dict[str, Person]:
        """Those of some people who may come in, with the grants of now."""
        person = self._person
        able = select(person.name).where(person.name.in_(names), person.revoked_at.is_(None))
        found = list(conn.scalars(able.order_by(person.name)))
        granted = self.grants(conn, found)
        return {name: Person(name, granted[name]) for name in found}

    def list_all(self, conn: Connection) -> list[PersonRow]:
        """All people by name, those whose access has ended too."""
        rows = conn.execute(select(self._tables.person).order_by(self._person.name)).all()
        names = [row.name for row in rows]
        granted, locked = self.grants(conn, names), self._throttle.locked_names(conn, names)
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

    def grants(self, conn: Connection, names: Sequence[str]) -> Mapping[str, tuple[RoleGrant, ...]]:
        """What was granted to each."""
        found: dict[str, list[RoleGrant]] = {name: [] for name in names}
        role = self._tables.role
        for name, granted, pattern in conn.execute(select(role).where(role.c.person.in_(names))):
            found[name].append(RoleGrant(self.roles(granted), pattern))
        return {name: tuple(sorted(grants)) for name, grants in found.items()}

    def unknown(self, name: str) -> UnknownPersonError:
        """The error that there is no such person."""
        return UnknownPersonError(f"there is no person {name}", hint=f"`{self._command} list` shows them")

    def _read(self, conn: Connection, name: str) -> Person:
        return Person(name, self.grants(conn, [name])[name])

    def _end_sessions(self, conn: Connection, name: str) -> None:
        session = self._tables.session
        conn.execute(delete(session).where(session.c.person == name))
        self._throttle.forget_devices(conn, name)
