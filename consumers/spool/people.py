"""The desk's people: the roles that a unit grants, and what each may do."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, select, update

from consumers.spool.models import mail
from consumers.spool.models import people as tables
from consumers.spool.scope import UnitScope
from router.pages import people
from router.pages.people import People, Person, Sessions, Throttle
from schemas.codes import covers


class DeskRole(StrEnum):
    """What somebody is at the units it is granted on; all of them see."""

    CLERK = "clerk"
    """Văn thư: registers, refuses, answers recalls, sends."""
    LEADER = "leader"
    """Lãnh đạo: directs."""
    STAFF = "staff"
    """Chuyên viên: processes what they are given."""
    VIEWER = "viewer"
    ADMIN = "admin"
    """Lets people in and says what they are."""
    CLEARED = "cleared"
    """Sees state secrets, and may do with them what the other roles give."""


class DeskRight(people.AnyRight):
    """What is asked of a person's roles."""

    SEE = "see"
    SEE_SECRETS = "see_secrets"
    """State secrets, their books, and that there are any."""
    REGISTER = "register"
    """Whatever has to do with the registers, and what comes and goes."""
    DIRECT = "direct"
    PROCESS = "process"
    DRAFT = "draft"
    """Writes what the unit sends; whoever registers sends it."""
    ADMINISTER = "administer"

    @property
    def roles(self) -> Collection[StrEnum]:
        """The roles that give it."""
        return _GIVEN_BY[self]


_GIVEN_BY: dict[DeskRight, frozenset[DeskRole]] = {
    DeskRight.SEE: frozenset(DeskRole),
    DeskRight.SEE_SECRETS: frozenset({DeskRole.CLEARED}),
    DeskRight.REGISTER: frozenset({DeskRole.CLERK}),
    DeskRight.DIRECT: frozenset({DeskRole.LEADER}),
    DeskRight.PROCESS: frozenset({DeskRole.CLERK, DeskRole.LEADER, DeskRole.STAFF}),
    DeskRight.DRAFT: frozenset({DeskRole.CLERK, DeskRole.LEADER, DeskRole.STAFF}),
    DeskRight.ADMINISTER: frozenset({DeskRole.ADMIN}),
}
PEOPLE = People(tables, DeskRole, "congvan desk people", ends_too=mail.of_recipients)
SESSIONS = Sessions(tables, DeskRole)
THROTTLE = Throttle(tables)


@dataclass(frozen=True, slots=True)
class Card:
    """Who a login is, as registers and receipts name them; ``full_name`` is the login while nobody has written it."""

    login: str
    full_name: str
    title: str = ""
    department: str = ""


def cards(conn: Connection, logins: Iterable[str]) -> dict[str, Card]:
    """The cards of people, by their logins."""
    row = tables.person.c
    columns = row.name, row.full_name, row.title, row.department
    found = conn.execute(select(*columns).where(row.name.in_(list(logins))))
    return {name: Card(name, full_name or name, title, department) for name, full_name, title, department in found}


def write_card(conn: Connection, card: Card) -> None:
    """Keep who a login is.

    Raises:
        UnknownPersonError: there is no such person.
    """
    values = {"full_name": card.full_name, "title": card.title, "department": card.department}
    if not conn.execute(update(tables.person).where(tables.person.c.name == card.login).values(values)).rowcount:
        raise PEOPLE.unknown(card.login)


def seen_by(person: Person, hosted: Iterable[str], right: DeskRight = DeskRight.SEE) -> UnitScope:
    """The hosted units at which somebody has a right, and those where they see state secrets, too."""
    units = tuple(unit for unit in hosted if person.may(right, unit))
    return UnitScope(units, frozenset(unit for unit in units if person.may(DeskRight.SEE_SECRETS, unit)))


def holders(conn: Connection, unit: str, right: DeskRight, *, secret: bool = False) -> list[Card]:
    """Those who have a right at a unit and may come in, by their names; ``secret``: and may see its secrets."""
    row, role = tables.person.c, tables.role.c
    rows = select(row.name, role.role, role.pattern).join(tables.role, role.person == row.name)
    granted: dict[str, set[str]] = {}
    for name, given, pattern in conn.execute(rows.where(row.revoked_at.is_(None))):
        if covers(pattern, unit):
            granted.setdefault(name, set()).add(given)
    wanted = [right, DeskRight.SEE_SECRETS] if secret else [right]
    able = [name for name, roles in granted.items() if all(roles.intersection(one.roles) for one in wanted)]
    return sorted(cards(conn, able).values(), key=lambda card: card.full_name)
