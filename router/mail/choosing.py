"""The page on which people say where their notices go and which they want, and the one that stops a kind by a link."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from router.mail.addresses import MAX_ADDRESS
from router.mail.links import MAX_TOKEN, STOP, handle_of, kind_of
from router.mail.message import TEMPLATES
from router.mail.notices import NoticeKind
from router.mail.outbox import MailRow, Outbox
from router.mail.recipients import Recipient
from router.mail.sender import Mailing
from router.mail.states import MailState
from router.pages.access import Door, Visitor, door_of, visitor_of
from router.pages.errors import LinkEndedError
from router.pages.language import N_
from router.pages.people import Person
from router.pages.preferences import Preferences
from schemas.clock import now_ms

__all__ = ["TEMPLATES", "NoticePages", "router"]
MAIL_STATES: Mapping[MailState, str] = {
    MailState.WAITING: N_("waits to be sent"),
    MailState.SENT: N_("sent"),
    MailState.REFUSED: N_("refused by the mail server"),
    MailState.GIVEN_UP: N_("given up"),
    MailState.DROPPED: N_("not sent any more"),
}
_NO_ADDRESS = N_("That is no e-mail address; write it as nguyen.van.a@example.vn.")
_SHOWN = 20
_SEE_OTHER, _UNPROCESSABLE = 303, 422
router = APIRouter()


@dataclass(frozen=True, slots=True)
class NoticePages:
    """What these pages stand on, in an app's state.

    Args:
        mailing: the program's notices.
        is_on: whether there is a mail server.
    """

    mailing: Mailing
    is_on: bool


def notices_of(request: Request) -> NoticePages:
    """What the program that answers has put there."""
    pages: NoticePages = request.app.state.notices
    return pages


OurDoor = Annotated[Door, Depends(door_of)]
Ours = Annotated[NoticePages, Depends(notices_of)]
Visiting = Annotated[Visitor, Depends(visitor_of)]
Token = Annotated[str, Query(max_length=MAX_TOKEN)]


@router.get("/notices")
async def show_choices(request: Request, door: OurDoor, pages: Ours, visitor: Visiting) -> Response:
    """Where somebody's notices go, which they are, and what became of the last ones."""
    return await _page(request, door, pages, visitor)


@router.post("/notices")
async def choose(
    *,
    request: Request,
    door: OurDoor,
    pages: Ours,
    visitor: Visiting,
    email: Annotated[str, Form(max_length=MAX_ADDRESS)] = "",
    kind: Annotated[tuple[str, ...], Form(max_length=20)] = (),
) -> Response:
    """Keep the address and the kinds; an empty address ends all e-mail."""
    name, offered = visitor.person.name, [item.name for item in pages.mailing.offered(visitor.person)]
    language, recipients = Preferences.of(request.cookies).language, pages.mailing.recipients

    def act(conn: Connection) -> None:
        recipients.set_address(conn, name, email, language, now_ms=now_ms())
        recipients.choose(conn, name, offered, kind)

    try:
        await door.change(act)
    except ValueError:
        return await _page(request, door, pages, visitor, problem=_NO_ADDRESS, typed=email)
    return RedirectResponse(f"{door.root}/notices", _SEE_OTHER)


@router.get(STOP)
async def ask_to_stop(request: Request, door: OurDoor, pages: Ours, token: Token = "") -> Response:
    """The page of a link in an e-mail: a button, because programs that look at e-mail follow links, too."""
    kind = await door.look(lambda conn: _kind(conn, pages.mailing, token)[1])
    return door.page(request, None, "stop.html", kind=kind, token=token, done=False)


@router.post(STOP)
async def stop(request: Request, door: OurDoor, pages: Ours, token: Token = "") -> Response:
    """Stop the kind that the link names. The link itself is what allows it, so mail programs may do it, too.

    (RFC 8058: they send the form by themselves, from wherever they are.) Whoever has no link holds up no writer.
    """
    await door.look(lambda conn: _kind(conn, pages.mailing, token))

    def act(conn: Connection) -> NoticeKind:
        recipient, kind = _kind(conn, pages.mailing, token)
        pages.mailing.recipients.stop(conn, recipient.person.name, kind.name)
        return kind

    kind = await door.change(act)
    return door.page(request, None, "stop.html", kind=kind, token=token, done=True)


def _kind(conn: Connection, mailing: Mailing, token: str) -> tuple[Recipient, NoticeKind]:
    """Whose link it is, and what it stops.

    Raises:
        LinkEndedError: it has ended, or never was.
    """
    recipient = mailing.recipients.by_handle(conn, handle_of(token)) if handle_of(token) else None
    name = kind_of(token, recipient) if recipient else None
    kind = mailing.kind(name) if name else None
    if recipient is None or kind is None:
        raise LinkEndedError("the link has ended: the address was changed since", hint="log in and see Notices")
    return recipient, kind


def _seen(conn: Connection, mailing: Mailing, person: Person, row: MailRow) -> MailRow:
    """An e-mail as its person sees it: of one that was not sent no title, unless they may be told of all in it now."""
    reaches = Outbox(mailing.tables).reaches_of(conn, row.id)
    is_theirs = row.state is MailState.SENT or all(mailing.may(person, row.kind, reach) for reach in reaches)
    return row if is_theirs else replace(row, title="")


async def _page(
    request: Request, door: Door, pages: NoticePages, visitor: Visitor, *, problem: str = "", typed: str = ""
) -> Response:
    mailing, name = pages.mailing, visitor.person.name

    def read(conn: Connection) -> tuple[Recipient | None, Sequence[MailRow]]:
        found = mailing.recipients.find(conn, name)
        if found is None:
            return None, []
        since = found.told_since(now_ms())  # others may have had the login, or the address, before
        rows = Outbox(mailing.tables).listed(conn, person=name, since=since, limit=_SHOWN)
        return found, [_seen(conn, mailing, visitor.person, row) for row in rows]

    recipient, rows = await door.look(read)
    return door.page(
        request,
        visitor,
        "notices.html",
        status=_UNPROCESSABLE if problem else 200,
        email=typed or (recipient.address if recipient else ""),
        stopped=recipient.stopped if recipient else frozenset(),
        kinds=mailing.offered(visitor.person),
        kind_words={kind.name: kind.label for kind in mailing.kinds},
        rows=rows,
        states=MAIL_STATES,
        is_on=pages.is_on,
        problem=problem,
    )
