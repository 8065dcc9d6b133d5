"""What the desk's people are told by e-mail: the kinds, and whom each may be told to."""

from sqlalchemy import Connection

from consumers.spool.models import mail as tables
from consumers.spool.people import PEOPLE, DeskRight, cards
from router.mail.notices import NoticeKind
from router.mail.sender import Mailing
from router.pages.language import N_
from router.pages.people import Person

ARRIVED = NoticeKind("arrived", N_("an urgent document has come and is not registered"))
TASK = NoticeKind("task", N_("something urgent was submitted or assigned to you"))
DIGEST = NoticeKind("digest", N_("what there is to do, once a working day"))
RIGHTS = {
    ARRIVED.name: DeskRight.REGISTER,
    TASK.name: DeskRight.PROCESS,
    DIGEST.name: DeskRight.PROCESS,
}
"""What somebody has to be allowed to be told of it."""


def may_be_told(person: Person, kind: str, unit: str) -> bool:
    """Whether somebody may be told of a kind at a unit; at any when none is named."""
    right = RIGHTS.get(kind)
    return right is not None and (person.may(right, unit) if unit else bool(person.patterns(right)))


def _full_name(conn: Connection, login: str) -> str:
    card = cards(conn, [login]).get(login)
    return card.full_name if card else ""


MAILING = Mailing(tables, PEOPLE, (ARRIVED, TASK, DIGEST), may_be_told, _full_name)
