"""A document is recalled: what that will do at each addressee is shown first, then asked for with a reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import RedirectResponse

from router.console.access import NO_REASON, Parts, Reason, Sending, Viewer
from router.console.composing import problems_of
from router.console.pages import link, page, say_to
from router.console.reads import look
from router.console.send import DOOR
from router.errors import ConflictError, ForbiddenError, NotFoundError, RouterError
from router.faces import Services
from router.ledger import queries
from router.ledger.people.persons import Right
from router.ledger.people.senders import PersonSender, sender_of
from router.ledger.queries import DispatchDetail
from router.pages.faults import fault_of
from router.planning import draft_in, plan_recall
from router.words import terms
from schemas.dispatch import Submission
from schemas.errors import FieldProblem
from schemas.ids import Id, new_id
from schemas.recalling import recall_of
from schemas.states import RecallEffect
from schemas.text import OneLine

MOST_NAMED = 200
"""Deliveries of a kind that the page names; all of them are counted."""
_SEE_OTHER, _UNPROCESSABLE = 303, 422
router = APIRouter()
Key = Annotated[Id, Path(alias="dispatch_id")]


@dataclass(frozen=True, slots=True)
class _Case:
    """A document of one's own, whose recall is asked for."""

    detail: DispatchDetail
    letter: Submission
    sender: PersonSender

    def recall(self, reason: str, notation: str) -> Submission:
        """The dispatch that recalls it."""
        most = self.sender.rights.max_urgency
        return recall_of(self.detail.row.id, self.letter, reason=reason, notation=notation, max_urgency=most)


@router.get("/documents/{dispatch_id}/recall")
async def show_recall(request: Request, services: Parts, viewer: Sending, dispatch_id: Key) -> Response:
    """What the recall would do now; nothing is done."""
    return await _page(request, services, viewer, await _case(services, viewer, dispatch_id))


@router.post("/documents/{dispatch_id}/recall")
async def do_recall(
    *,
    request: Request,
    services: Parts,
    viewer: Sending,
    dispatch_id: Key,
    once: Annotated[Id, Form()],
    notation: Annotated[OneLine, Form(max_length=200)] = "",
    reason: Reason = "",
) -> Response:
    """Ask for it, once; the document's page then says how far it has come."""
    case = await _case(services, viewer, dispatch_id)
    typed = {"once": once, "notation": notation, "reason": reason}
    if not reason:
        return await _page(request, services, viewer, case, lacks_reason=True, typed=typed)
    try:
        recall = case.recall(reason, notation)
        accepted = await services.intake.accept(recall, sender=case.sender, idempotency_key=once, by=viewer.by(reason))
    except RouterError as error:
        services.metrics.taken_in(DOOR, error.slug)
        problems = problems_of(error)
        if not problems:
            raise
        typed |= {"once": new_id()} if isinstance(error, ConflictError) else {}
        return await _page(request, services, viewer, case, problems=problems, typed=typed)
    services.metrics.taken_in(DOOR, "duplicate" if accepted.duplicate else "accepted")
    return RedirectResponse(link(f"/documents/{dispatch_id}") + "#recalls", _SEE_OTHER)


async def _case(services: Services, viewer: Viewer, dispatch_id: str) -> _Case:
    """The document.

    Raises:
        NotFoundError: the person sees none of that id.
        ForbiddenError: they do not send for its issuer.
    """
    detail = await look(services, lambda conn: queries.find_dispatch(conn, viewer.scope, dispatch_id))
    if detail is None:
        raise NotFoundError(f"there is no document {dispatch_id} that you may see")
    issuer = detail.row.issuer
    if not viewer.person.may(Right.SEND, issuer):
        raise ForbiddenError(f"{viewer.person.name} does not send for {issuer}", hint="its issuer recalls it")
    return _Case(detail, Submission.model_validate_json(detail.submission), sender_of(viewer.person, issuer))


async def _page(
    request: Request,
    services: Services,
    viewer: Viewer,
    case: _Case,
    *,
    lacks_reason: bool = False,
    problems: Sequence[FieldProblem] = (),
    typed: Mapping[str, str] | None = None,
) -> Response:
    say = say_to(request)
    async with draft_in(services.content) as draft:
        new = await services.intake.rehearse(case.recall("", ""), sender=case.sender, content=draft)
    is_refused = bool(problems)
    plan = await plan_recall(services.engine, new)
    if plan.too_much is not None and not problems:
        problems = problems_of(plan.too_much)
    return page(
        request,
        viewer,
        "recall.html",
        status=_UNPROCESSABLE if lacks_reason or is_refused else 200,
        detail=case.detail,
        plan=plan,
        effects=[(effect, terms.RECALL_EFFECTS[effect], plan.of(effect)) for effect in RecallEffect],
        no_reason=NO_REASON if lacks_reason else "",
        faults=[fault_of(problem, say) for problem in problems],
        typed={"once": new_id(), "notation": "", "reason": ""} | dict(typed or {}),
        most=MOST_NAMED,
        directory=services.organisation.directory,
    )
