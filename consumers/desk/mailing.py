"""What the desk's people are told by e-mail: the kinds, and whom each may be told to."""

from sqlalchemy import Connection

from consumers.spool.models import mail as tables
from consumers.spool.people import PEOPLE, DeskRight, cards
from consumers.spool.scope import UnitScope
from router.mail.notices import NoticeKind, Reach
from router.mail.sender import Mailing
from router.pages.language import N_
from router.pages.people import Person

ARRIVED = NoticeKind("arrived", N_("an urgent document has come and is not registered"))
TASK = NoticeKind("task", N_("something urgent was submitted or assigned to you"))
DIGEST = NoticeKind("digest", N_("what there is to do, once a working day"))
RIGHTS = {
    ARRIVED.name: (DeskRight.REGISTER, DeskRight.REGISTER),
    TASK.name: (DeskRight.PROCESS, DeskRight.PROCESS),
    DIGEST.name: (DeskRight.PROCESS, DeskRight.SEE),
}
"""What somebody has to be allowed to be told of it: anywhere, and at each unit of which it tells."""


def may_be_told(person: Person, kind: str, reach: Reach) -> bool:
    """Whether somebody may be told of a kind, of all units that it reaches, and of their secrets."""
    anywhere, there = RIGHTS.get(kind, (None, None))
    if anywhere is None or there is None or not person.patterns(anywhere):
        return False
    cleared = all(person.may(DeskRight.SEE_SECRETS, unit) for unit in reach.secrets)
    return cleared and all(person.may(there, unit) for unit in reach.units)


def reach_of(scope: UnitScope) -> Reach:
    """What is told of to who sees a scope."""
    return Reach(units=scope.units, secrets=tuple(sorted(scope.secret)))


def _full_name(conn: Connection, login: str) -> str:
    card = cards(conn, [login]).get(login)
    return card.full_name if card else ""


MAILING = Mailing(tables, PEOPLE, (ARRIVED, TASK, DIGEST), may_be_told, _full_name)
