"""The console's people: the roles that are granted, what each may do, and what they see of the ledger."""

from collections.abc import Collection, Sequence
from enum import StrEnum

from sqlalchemy import Connection, select

from router.ledger.models import mail_tables
from router.ledger.models import people_tables as tables
from router.ledger.scope import Scope
from router.pages import people
from router.pages.people import People, Person, RoleGrant, Sessions, Throttle
from schemas.codes import covers_whole, includes


class PersonRole(StrEnum):
    """What a person may do on the units it is granted on; all of them see."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    """Act on deliveries."""
    ISSUER = "issuer"
    """Send for the units, and recall what they sent."""
    AUDITOR = "auditor"
    """Read the audit log."""
    ADMIN = "admin"
    """All of it."""


class Right(people.AnyRight):
    """What is asked of a person's roles."""

    SEE = "see"
    ACT = "act"
    SEND = "send"
    """Send for units, and change what they sent."""
    AUDIT = "audit"
    ADMINISTER = "administer"
    """Change the organisation."""

    @property
    def roles(self) -> Collection[StrEnum]:
        """The roles that give it."""
        return _GIVEN_BY[self]


_GIVEN_BY: dict[Right, frozenset[PersonRole]] = {
    Right.SEE: frozenset(PersonRole),
    Right.ACT: frozenset({PersonRole.OPERATOR, PersonRole.ADMIN}),
    Right.SEND: frozenset({PersonRole.ISSUER, PersonRole.ADMIN}),
    Right.AUDIT: frozenset({PersonRole.AUDITOR, PersonRole.ADMIN}),
    Right.ADMINISTER: frozenset({PersonRole.ADMIN}),
}
PEOPLE = People(
    tables,
    PersonRole,
    "congvan people",
    ends_too=mail_tables.of_recipients,
    ways_in=("email", "identity"),
)
SESSIONS = Sessions(tables, PersonRole)
THROTTLE = Throttle(tables)


def scope_of(person: Person, right: Right = Right.SEE) -> Scope:
    """What a person sees, as the queries take it; what they may act on or audit, by its unit alone."""
    patterns = person.patterns(right)
    return Scope(units=patterns, issuers=patterns if right is Right.SEE else ())


def administers_whole(person: Person) -> bool:
    """Whether a person administers an organisation whole."""
    return any(map(covers_whole, person.patterns(Right.ADMINISTER)))


def administers_all_of(person: Person, grants: Sequence[RoleGrant]) -> bool:
    """Whether a person administers everything that some grants give; of nothing nobody does.

    That is their units, and for an issuer, who may write to all units, the whole organisation. Nobody else gives these
    grants, takes them, or says how whoever has them comes in: who makes somebody's one-time link may come in as them.
    """
    may_write_to_all = any(grant.role is PersonRole.ISSUER for grant in grants)
    covered = bool(grants) and person.may_all(Right.ADMINISTER, grants)
    return covered and (administers_whole(person) or not may_write_to_all)


def reach_of(person: Person) -> frozenset[str]:
    """The units that a person sees, in as few patterns as can be: who has the same reach sees the same."""
    seen = person.patterns(Right.SEE)
    return frozenset(some for some in seen if not any(other != some and includes(other, some) for other in seen))


def of_same_reach(conn: Connection, person: Person) -> list[str]:
    """The others who see the same units."""
    reach, role, table = reach_of(person), tables.role.c, tables.person.c
    alike = select(role.person).where(role.pattern.in_(reach), role.person != person.name)
    good = select(table.name).where(table.name.in_(alike), table.revoked_at.is_(None)).order_by(table.name)
    names = list(conn.scalars(good))
    granted = PEOPLE.grants(conn, names)
    return [name for name in names if reach_of(Person(name, granted[name])) == reach]
