"""Who looks at a page of the desk, at which units, and what they may do there."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Connection

from consumers.desk.services import DeskServices
from consumers.errors import DeskForbiddenError
from consumers.reading.handling import Acting
from consumers.spool import journal
from consumers.spool.journal import JournalAct, JournalEntry
from consumers.spool.people import Card, DeskRight, cards, seen_by
from consumers.spool.scope import UnitScope
from consumers.spool.units import hosted
from router.pages import access
from router.pages.access import DoorEntry, Visitor
from router.pages.brought import MAX_FIELDS_BYTES
from schemas.clock import now_ms

_NOT_ALLOWED = "your roles do not allow this here"


@dataclass(frozen=True, slots=True)
class DeskViewer(Visitor):
    """A person with a session, and the units that this gateway hosts."""

    card: Card
    hosted: tuple[str, ...]

    def units(self, right: DeskRight = DeskRight.SEE) -> UnitScope:
        """The hosted units at which the person has a right, and those where they see state secrets, too."""
        return seen_by(self.person, self.hosted, right)

    def may(self, right: DeskRight, unit: str = "") -> bool:
        """Whether the person has a right at a unit, or at any when none is named."""
        return unit in self.units(right) if unit else bool(self.units(right))

    def by(self, right: DeskRight) -> Acting:
        """The person as the one who acts now, where they may."""
        return Acting(self.card, now_ms(), self.units(right), self.address)

    def require(self, right: DeskRight, unit: str = "") -> None:
        """Go on only with a right.

        Raises:
            DeskForbiddenError: the person does not have it.
        """
        if not self.may(right, unit):
            raise DeskForbiddenError(_NOT_ALLOWED)


def services_of(request: Request) -> DeskServices:
    """The parts the desk was made over."""
    services: DeskServices = request.app.state.services
    return services


async def viewer_of(request: Request) -> DeskViewer:
    """The person who asks; this ends their session's idleness.

    Raises:
        LoginNeededError: no session, or one that has ended.
        ForeignRequestError: a change without the session's own token.
    """
    return await _viewer(request, await access.visitor_of(request))


async def drafter_before_form(request: Request) -> DeskViewer:
    """The person who asks, when there is a unit that they write for; of a form nothing was read yet.

    Raises:
        LoginNeededError: no session, or one that has ended.
        DeskForbiddenError: there is none.
    """
    viewer = await _viewer(request, await access.present(request))
    viewer.require(DeskRight.DRAFT)
    return viewer


async def drafter_of(request: Request) -> DeskViewer:
    """:func:`drafter_before_form`, the form without files being one of their session.

    Raises:
        LoginNeededError: as there.
        DeskForbiddenError: as there.
        ForeignRequestError: a change without the session's own token.
    """
    viewer = await drafter_before_form(request)
    await access.require_form(request, viewer, most=MAX_FIELDS_BYTES)
    return viewer


async def _viewer(request: Request, visitor: Visitor) -> DeskViewer:
    name = visitor.person.name

    def read(conn: Connection) -> tuple[Card, tuple[str, ...]]:
        known = cards(conn, [name]).get(name, Card(name, name))
        return known, tuple(item.code for item in hosted(conn))

    card, codes = await services_of(request).look(read)
    return DeskViewer(visitor.person, visitor.token, visitor.address, card, codes)


def note_at_door(conn: Connection, entry: DoorEntry) -> None:
    """Keep what somebody does at the door in the journal."""
    told = JournalEntry(
        entry.at,
        entry.name,
        JournalAct(entry.act.value),
        entry.home,
        entry.name,
        entry.reason or entry.detail,
        entry.address,
    )
    journal.record(conn, told)


Looking = Annotated[DeskViewer, Depends(viewer_of)]
Drafting = Annotated[DeskViewer, Depends(drafter_of)]
DraftingFiles = Annotated[DeskViewer, Depends(drafter_before_form)]
Parts = Annotated[DeskServices, Depends(services_of)]
