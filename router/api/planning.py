"""``POST /api/v1/dispatches/plan``: what a dispatch would come to if it were sent now. Nothing is sent or kept."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request

from router.api.auth import Author, Parts
from router.api.submissions import SUBMISSION_BODY, read_submission
from router.ledger.scope import scope_of
from router.planning import draft_in, plan_now
from router.words.plan_views import PlanView
from schemas.attachment import MAX_ATTACHMENT_BYTES
from schemas.dispatch import MAX_ATTACHMENTS

MOST_BYTES = MAX_ATTACHMENTS * MAX_ATTACHMENT_BYTES
router = APIRouter(tags=["dispatches"])


@router.post("/api/v1/dispatches/plan", summary="Plan a dispatch", openapi_extra={"requestBody": SUBMISSION_BODY})
async def plan(
    *,
    request: Request,
    services: Parts,
    sender: Author,
    more_bytes: Annotated[int, Query(ge=0, le=MOST_BYTES, description="Of files that are not here yet.")] = 0,
    most_units: Annotated[int | None, Query(ge=1, le=1000, description="List the last so many units alone.")] = None,
) -> PlanView:
    """When a dispatch would arrive at each addressee if it were sent now, and what it costs their lines.

    The body is that of `POST /api/v1/dispatches`, with the same checks and the same errors. Nothing is sent, and files
    that come with it are not kept. The times count the bytes in the forms that travel, what is on its way to each unit
    already, the rate of its line as its gateway measured it, and the line's hours.
    """
    async with draft_in(services.content) as draft:
        submission = await read_submission(request, services, draft)
        new = await services.intake.rehearse(submission, sender=sender, content=draft)
    resolution = await asyncio.to_thread(services.intake.resolve, submission.addressees)
    made = await plan_now(services.engine, new, timezone=services.timezone, more_bytes=more_bytes)
    return await asyncio.to_thread(PlanView.of, made, resolution, scope_of(sender), most_units)
