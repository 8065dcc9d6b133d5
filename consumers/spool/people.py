"""The desk's people: the roles that a unit grants, and what each may do."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, select, update

from consumers.spool.models import people as tables
from router.pages import people
from router.pages.people import People, Sessions, Throttle


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


class DeskRight(people.AnyRight):
    """What is asked of a person's roles."""

    SEE = "see"
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
    DeskRight.REGISTER: frozenset({DeskRole.CLERK}),
    DeskRight.DIRECT: frozenset({DeskRole.LEADER}),
    DeskRight.PROCESS: frozenset({DeskRole.CLERK, DeskRole.LEADER, DeskRole.STAFF}),
    DeskRight.DRAFT: frozenset({DeskRole.CLERK, DeskRole.LEADER, DeskRole.STAFF}),
    DeskRight.ADMINISTER: frozenset({DeskRole.ADMIN}),
}
PEOPLE = People(tables, DeskRole, "congvan desk people")
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


def holders(conn: Connection, unit: str, right: DeskRight) -> list[Card]:
    """Those who have a right at a unit and may come in, by their names."""
    able = [row.person.name for row in PEOPLE.list_all(conn) if row.revoked_at is None and row.person.may(right, unit)]
    return sorted(cards(conn, able).values(), key=lambda card: card.full_name)
