"""The form in which a letter is written: how it begins, whom the letter would reach as it stands, and its page."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from fastapi import Request, Response
from sqlalchemy import Connection

from router.console.access import Viewer
from router.console.pages import link, page, say_to
from router.console.reads import look
from router.console.unit_tree import Say, found, units_below
from router.errors import NotFoundError, RouterError
from router.faces import Services
from router.ledger import queries
from router.ledger.people.persons import Right
from router.ledger.people.senders import sender_of
from router.ledger.queries import DispatchDetail
from router.pages.brought import Fields
from router.pages.letters import TypedLetter, faults_by_field
from router.pages.sending import TYPES, URGENCIES, NodePage, SendingForm
from router.planning import draft_in, plan_now
from router.words.plan_views import PlanView
from schemas.dispatch import UNNUMBERED, Kind, Submission, subject_on
from schemas.errors import FieldProblem, InvalidError
from schemas.states import Status

PLACE = link("/send")
MOST_ISSUERS = 200
"""Units that the choice of issuers offers; where there are more, the issuer's code is typed."""
MOST_AT_ONCE = 10_000
"""Addressees of a letter whose times are worked out at every change; those of more only when they are asked for."""
_NOT_THEIR_DOING = 500
_DIGITS = 15
_OF_THE_FILES = frozenset({"too-large", "content-full", "content-quota"})


@dataclass(frozen=True, slots=True)
class Composed:
    """A letter as it stands in the form, with what is wrong and what would become of it."""

    typed: TypedLetter
    problems: Sequence[FieldProblem] = ()
    plan: PlanView | None = None
    is_new: bool = False


async def begun(services: Services, viewer: Viewer, answers: str | None, changes: str | None, kind: Kind) -> Composed:
    """The form as it opens."""
    issuers = [code for code, _ in _issuers(services, viewer)]
    known: dict[str, Any] = {"issued_on": services.organisation.today.isoformat(), "type": TYPES[0]}
    if key := answers or changes:
        detail, states = await look(services, lambda conn: _referred(conn, viewer, key))
        letter = Submission.model_validate_json(detail.submission)
        known |= {"refers_to": (key,), "secrecy": letter.secrecy.value}
        if answers:
            issuers = [code for code in issuers if code in states] + issuers
            known |= {"addressees": (letter.issuer,), "subject": subject_on("Trả lời", letter)}
        else:
            issuers = [letter.issuer, *issuers]
            known |= {"addressees": letter.addressees, "kind": kind.value, "type": letter.type}
            known |= {"subject": letter.subject, "signer": letter.signer, "place": letter.place}
    typed = TypedLetter.begun(issuer=issuers[0] if issuers else "", **known)
    return Composed(typed, is_new=True)


def _referred(conn: Connection, viewer: Viewer, key: str) -> tuple[DispatchDetail, Mapping[str, Status]]:
    detail = queries.find_dispatch(conn, viewer.scope, key)
    if detail is None:
        raise NotFoundError(f"there is no document {key} that you may see")
    return detail, queries.states_of_units(conn, viewer.scope, key)


def _issuers(services: Services, viewer: Viewer) -> list[tuple[str, str]]:
    """The units that a person may send for, the first of them where there are many."""
    directory, today = services.organisation.directory, services.organisation.today
    found: dict[str, str] = {}
    for pattern in viewer.person.patterns(Right.SEND):
        head = pattern.removesuffix(".#")
        units = directory.within(head) if head != pattern else filter(None, [directory.get(head)])
        there = (unit for unit in units if unit.exists_on(today) and unit.code not in found)
        found |= {unit.code: unit.name for unit in islice(there, MOST_ISSUERS - len(found))}
    return list(found.items())


def _secrecies(services: Services, typed: TypedLetter) -> Sequence[str]:
    """The degrees that are taken; one that is not any more stands there for a letter about a secret, and is refused."""
    taken = [degree.value for degree in services.secrecies]
    return taken if typed.secrecy in ("", *taken) else [*taken, typed.secrecy]


async def tree_of(services: Services, say: Say, below: str = "", find: str = "", after: str = "") -> NodePage:
    """A branch of the tree that addressees are picked from; see :mod:`router.console.unit_tree`."""
    directory, today = services.organisation.directory, services.organisation.today
    if find.strip():
        return await look(services, lambda conn: found(conn, directory, today, say, find, after=after))
    return units_below(directory, today, say, below, after)


async def composer(
    request: Request,
    services: Services,
    viewer: Viewer,
    composed: Composed,
    *,
    tree: NodePage | None = None,
    status: int = 200,
) -> Response:
    """The page of the form.

    Args:
        request: what is answered.
        services: the router's parts.
        viewer: who writes.
        composed: the letter as it stands.
        tree: the branch that stands open; None: the topmost.
        status: the answer's.
    """
    say = say_to(request)
    rights = await services.intake.rights_of(sender_of(viewer.person, composed.typed.issuer))
    form = SendingForm(
        page=PLACE,
        action=PLACE,
        plan_at=f"{PLACE}/plan",
        units_at=f"{PLACE}/units",
        csrf=viewer.csrf,
        typed=composed.typed,
        issuers=(issuers := _issuers(services, viewer)),
        has_more_issuers=len(issuers) == MOST_ISSUERS,
        tree=tree or await tree_of(services, say),
        faults=faults_by_field(composed.problems, say),
        plan=composed.plan,
        urgencies=[degree for degree in URGENCIES if degree <= rights.max_urgency],
        secrecies=_secrecies(services, composed.typed),
        most_bytes=services.max_attachment_bytes,
        is_new=composed.is_new,
    )
    return page(request, viewer, "send.html", status=status, form=form)


async def planned(services: Services, viewer: Viewer, fields: Fields) -> Composed:
    """A letter and what would become of it; what it still lacks of its own fields is no matter."""
    typed = TypedLetter.of(fields)
    if not typed.addressees:
        return Composed(typed)
    written = replace(typed, notation=typed.notation or UNNUMBERED, subject=typed.subject or UNNUMBERED)
    size = (fields.get("bytes") or ["0"])[-1]
    try:
        submission = written.submission((), services.zone)
        async with draft_in(services.content) as draft:
            sender = sender_of(viewer.person, submission.issuer)
            new = await services.intake.rehearse(submission, sender=sender, content=draft)
        resolution = await asyncio.to_thread(services.intake.resolve, submission.addressees)
        if len(new.units) > MOST_AT_ONCE and "whole" not in fields:
            return Composed(typed, plan=PlanView.counted(resolution))
        more = int(size[:_DIGITS]) if size.isascii() and size.isdecimal() else 0
        plan = await plan_now(services.engine, new, timezone=services.timezone, more_bytes=more)
    except (RouterError, InvalidError) as error:
        problems = problems_of(error)
        if not problems:
            raise
        return Composed(typed, problems)
    return Composed(typed, plan=await asyncio.to_thread(PlanView.of, plan, resolution, viewer.scope))


def problems_of(error: RouterError | InvalidError) -> Sequence[FieldProblem]:
    """What a person can mend of what the intake refuses; nothing: it is none of their doing."""
    if isinstance(error, InvalidError) or error.problems:
        return error.problems
    if error.slug in _OF_THE_FILES:
        return [FieldProblem("attachments", error.detail)]
    if error.status >= _NOT_THEIR_DOING:
        return []
    return [FieldProblem("issuer" if error.slug == "forbidden-issuer" else "(whole)", error.detail)]
