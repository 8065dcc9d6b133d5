"""Who uses a program's pages: people with their roles, how they come in, their sessions, and who tries too often.

A part of the page kit: it knows the tables that a program gives it (:func:`people_tables`) and nothing of the program.
"""

from router.pages.people.persons import People, PersonRow
from router.pages.people.roles import AnyRight, Person, RoleGrant
from router.pages.people.sessions import SessionRow, Sessions
from router.pages.people.tables import PeopleTables, people_tables
from router.pages.people.throttle import Attempt, Throttle

__all__ = [
    "AnyRight",
    "Attempt",
    "People",
    "PeopleTables",
    "Person",
    "PersonRow",
    "RoleGrant",
    "SessionRow",
    "Sessions",
    "Throttle",
    "people_tables",
]
