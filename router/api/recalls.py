"""``GET /api/v1/dispatches/{id}/recall-plan``: what the recall of a dispatch would do now. Nothing is done."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Self

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from router.api.auth import Author, Parts
from router.api.dispatches import DispatchId, link_next
from router.directory import Directory
from router.errors import NotFoundError
from router.ledger import queries
from router.ledger.engine import reading
from router.ledger.queries import DispatchDetail
from router.ledger.scope import scope_of_sender
from router.ledger.way.recalls import Foreseen
from router.planning import RecallPlan, draft_in, plan_recall
from router.storage.transactions import in_thread
from router.words.view import Identifier, Instant, View
from schemas.accounts import Role
from schemas.clock import iso
from schemas.codes import UnitCode
from schemas.dispatch import Submission, Urgency
from schemas.recalling import recall_of
from schemas.states import RecallEffect, Status

router = APIRouter(tags=["dispatches"])


class RecalledDelivery(View):
    """What the recall would do to one delivery."""

    delivery_id: Identifier
    """Of the dispatch that is recalled."""
    unit: str
    """To which unit."""
    unit_name: str
    """Its name; empty: the organisation does not have it any more."""
    state: Status
    """Where the delivery stands."""
    effect: RecallEffect
    """ends: at once; follows: on its way, to end at the gateway or be asked for; asked: the unit has it; nothing."""


class RecallPlanView(View):
    """What a recall would come to, as of `at`: what moves until it is submitted is decided then."""

    at: Instant
    """When it was looked at."""
    told: int
    """Units that the recall itself goes to."""
    effects: dict[RecallEffect, int]
    """To how many deliveries each happens."""
    deliveries: list[RecalledDelivery]
    """Of each of them, by unit code: a page."""
    next: str | None
    """Where the next page is; null: this is the last."""
    recall: Submission
    """What to submit to `POST /api/v1/dispatches`, with the reason as its `flash_text`."""

    @classmethod
    def of(
        cls,
        plan: RecallPlan,
        page: Sequence[Foreseen],
        recall: Submission,
        directory: Directory,
        *,
        following: str | None,
    ) -> Self:
        """From the plan, the part of its deliveries that is asked for, and where the next one is."""
        found = [
            RecalledDelivery(
                delivery_id=item.delivery_id,
                unit=item.unit,
                unit_name=unit.name if (unit := directory.get(item.unit)) else "",
                state=item.state,
                effect=item.effect,
            )
            for item in page
        ]
        effects = dict(plan.counts)
        return cls(at=iso(plan.at), told=plan.told, effects=effects, deliveries=found, next=following, recall=recall)


class RecallPlanQuery(BaseModel):
    """The page of what a recall would do."""

    model_config = ConfigDict(extra="forbid")

    after: UnitCode | None = Field(None, description="The last unit of the page before; take it from its `next`.")
    limit: int = Field(1000, ge=1, le=1000, description="The length of a page.")


@router.get("/api/v1/dispatches/{dispatch_id}/recall-plan", summary="Plan a recall")
async def show_recall_plan(
    *,
    dispatch_id: DispatchId,
    request: Request,
    response: Response,
    services: Parts,
    account: Author,
    wanted: Annotated[RecallPlanQuery, Query()],
) -> RecallPlanView:
    """What the recall of a dispatch from all its addressees would do now, delivery by delivery, a page at a time.

    The same checks and the same errors as when it is submitted; what is decided then is decided by the same rules.
    """

    def look(conn: Connection) -> DispatchDetail | None:
        return queries.find_dispatch(conn, scope_of_sender(account), dispatch_id)

    detail = await in_thread(partial(reading, services.engine), look)
    if detail is None:
        raise NotFoundError(f"there is no dispatch {dispatch_id} for this account")
    most = Urgency.EXPRESS if account.role is Role.OPERATOR else (await services.intake.rights_of(account)).max_urgency
    recall = recall_of(dispatch_id, Submission.model_validate_json(detail.submission), max_urgency=int(most))
    async with draft_in(services.content) as draft:
        new = await services.intake.rehearse(recall, sender=account, content=draft)
    plan = await plan_recall(services.engine, new)
    if plan.too_much is not None:
        raise plan.too_much
    rest = await asyncio.to_thread(plan.behind, wanted.after or "")
    page = rest[: wanted.limit]
    following = link_next(request, response, after=page[-1].unit) if len(rest) > len(page) else None
    return await asyncio.to_thread(
        RecallPlanView.of, plan, page, recall, services.organisation.directory, following=following
    )
