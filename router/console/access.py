"""Who looks at a page of the console, what they see and what they may do."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Form, Path, Query, Request
from sqlalchemy import Connection

from router.errors import ForbiddenError
from router.faces import Services
from router.ledger.people import audit
from router.ledger.people.audit import MAX_REASON, Act, AuditEntry, By
from router.ledger.people.persons import Right, administers_whole, scope_of
from router.ledger.scope import Scope
from router.pages import access
from router.pages.access import DoorEntry, Visitor
from router.pages.brought import MAX_FIELDS_BYTES
from router.pages.language import N_
from router.words.filters import MAX_LENGTH
from schemas.clock import now_ms
from schemas.codes import UnitCode, covers_whole
from schemas.text import OneLine

MAX_LIST_FORM_BYTES = 1024 * 1024
"""A form that brings a list of units, as a file or as it was looked at."""


@dataclass(frozen=True, slots=True)
class Viewer(Visitor):
    """A person with a session, and where they are."""

    def by(self, reason: str) -> By:
        """The person as the one who acts now, and why."""
        return By(self.person.name, reason, now_ms(), self.address)

    @property
    def scope(self) -> Scope:
        """What the person sees."""
        return scope_of(self.person)

    @property
    def sees_part(self) -> bool:
        """Whether the person sees only a part of the organisation."""
        return not self.scope.everything and not any(map(covers_whole, self.scope.units))

    @property
    def may_audit(self) -> bool:
        """Whether there is an audit log for the person."""
        return bool(self.person.patterns(Right.AUDIT))

    @property
    def may_administer(self) -> bool:
        """Whether there are units that the person administers."""
        return bool(self.person.patterns(Right.ADMINISTER))

    @property
    def administers_whole(self) -> bool:
        """Whether the person administers an organisation whole."""
        return administers_whole(self.person)

    @property
    def may_send(self) -> bool:
        """Whether there are units that the person may send for."""
        return bool(self.person.patterns(Right.SEND))

    @property
    def may_act(self) -> bool:
        """Whether there are units on whose deliveries the person may act."""
        return bool(self.person.patterns(Right.ACT))


def services_of(request: Request) -> Services:
    """The parts the console was made over."""
    services: Services = request.app.state.services
    return services


async def viewer_of(request: Request) -> Viewer:
    """The person who asks; this ends their session's idleness.

    Raises:
        LoginNeededError: no session, or one that has ended.
        ForeignRequestError: a change without the session's own token.
    """
    return viewer_for(await access.visitor_of(request))


async def bringer_of(request: Request) -> Viewer:
    """:func:`viewer_of`, for a form that brings a list of units: it may be longer than any other.

    Raises:
        LoginNeededError: as there; nothing of the form was read then.
        ForbiddenError: there are no units that the person administers; as little was.
        ForeignRequestError: as there.
    """
    await access.require_form(request, await _administrator_now(request), most=MAX_LIST_FORM_BYTES)
    return await _administrator_now(request)  # the list may have come slowly, and the role have gone meanwhile


async def _administrator_now(request: Request) -> Viewer:
    viewer = viewer_for(await access.present(request))
    if not viewer.may_administer:
        raise ForbiddenError(f"{viewer.person.name} is no administrator", hint="an administrator grants the role")
    return viewer


async def sender_before_form(request: Request) -> Viewer:
    """The person who asks, when there are units that they may send for; of a form nothing was read yet.

    Raises:
        LoginNeededError: no session, or one that has ended.
        ForbiddenError: there are none.
    """
    viewer = viewer_for(await access.present(request))
    if not viewer.may_send:
        raise ForbiddenError(f"{viewer.person.name} sends for no unit", hint="an administrator grants the role issuer")
    return viewer


async def sender_of_form(request: Request) -> Viewer:
    """:func:`sender_before_form`, the form without files being one of their session; it may hold a long list of rules.

    Raises:
        LoginNeededError: as there.
        ForbiddenError: as there.
        ForeignRequestError: a change without the session's own token.
    """
    viewer = await sender_before_form(request)
    await access.require_form(request, viewer, most=MAX_FIELDS_BYTES)
    return viewer


async def watching(request: Request) -> Viewer:
    """The person whose page asks by itself.

    Raises:
        LoginNeededError: no session, or one that has ended.
    """
    return viewer_for(await access.watcher_of(request))


async def auditor_of(viewer: Annotated[Viewer, Depends(viewer_of)]) -> Viewer:
    """The person who asks, when there is an audit log for them.

    Raises:
        ForbiddenError: there is none.
    """
    if not viewer.may_audit:
        raise ForbiddenError(f"{viewer.person.name} is no auditor", hint="an administrator grants the role")
    return viewer


def viewer_for(visitor: Visitor) -> Viewer:
    """Whoever has come in, as the console's pages know them."""
    return Viewer(visitor.person, visitor.token, visitor.address)


def note_at_door(conn: Connection, entry: DoorEntry) -> None:
    """Keep what somebody does at the door in the audit log."""
    name, act = entry.name, Act(entry.act.value)
    told = AuditEntry(
        entry.at, name, act, name, entry.home, reason=entry.reason, address=entry.address, detail=entry.detail
    )
    audit.record(conn, told)


Looking = Annotated[Viewer, Depends(viewer_of)]
SendingFiles = Annotated[Viewer, Depends(sender_before_form)]
Sending = Annotated[Viewer, Depends(sender_of_form)]
Bringing = Annotated[Viewer, Depends(bringer_of)]
Watching = Annotated[Viewer, Depends(watching)]
Auditing = Annotated[Viewer, Depends(auditor_of)]
Parts = Annotated[Services, Depends(services_of)]
FilterText = Annotated[str, Query(max_length=2 * MAX_LENGTH)]
"""A filter in the address; one that is too long gets a message of its own."""
Code = Annotated[UnitCode, Path()]
Reason = Annotated[OneLine, Form(max_length=MAX_REASON)]
NO_REASON = N_("Say why; it is kept in the audit log.")
