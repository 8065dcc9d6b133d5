"""``POST /api/v1/dispatches/plan``: what a dispatch would come to if it were sent now. Nothing is sent or kept."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request

from router.api.auth import Author, Parts
from router.api.submissions import SUBMISSION_BODY, read_submission
from router.api.unit_views import LeftOutView, NoteView, ResolutionView
from router.directory import Resolution
from router.faces import Services
from router.ledger.engine import reading
from router.ledger.scope import Scope, scope_of
from router.ledger.way.acceptance import NewDispatch
from router.planning import Plan, Remark, Rollup, UnitPlan, draft_in, make_plan, roll_up
from router.words.view import Instant, View
from schemas.attachment import TravellingAttachment
from schemas.clock import iso, now_ms
from schemas.codes import covers
from schemas.opening import Windows, parse_opening
from schemas.unit import Link, Unit

router = APIRouter(tags=["dispatches"])


class PlannedUnit(View):
    """What the dispatch comes to at one unit."""

    unit: str
    """Its code."""
    name: str
    """Its name."""
    link: Link
    """How it is reached."""
    arrives_at: Instant | None
    """Null: never by itself, or not within 90 days; `remarks` says which."""
    seconds: float | None
    """From now until then."""
    bytes: int
    """What travels to it."""
    line_seconds: float
    """How long these bytes have its line for themselves."""
    rate: int
    """Of its line, in bytes/s; measured, unless `remarks` has `rate_assumed`; 0: nothing goes over it."""
    bytes_ahead: int | None
    """What comes before it; null for accounts that do not see the unit's deliveries."""
    remarks: list[Remark]
    """What stands behind its time, or in its way."""

    @classmethod
    def of(cls, item: UnitPlan, at: int, scope: Scope) -> "PlannedUnit":
        """From the plan made at a time (UTC ms), as far as a scope sees the unit."""
        arrives = item.arrives_at
        return cls(
            unit=item.unit.code,
            name=item.unit.name,
            link=item.unit.link,
            arrives_at=None if arrives is None else iso(arrives),
            seconds=None if arrives is None else (arrives - at) / 1000,
            bytes=item.size,
            line_seconds=round(item.line_seconds, 3),
            rate=item.rate,
            bytes_ahead=item.ahead if any(covers(pattern, item.unit.code) for pattern in scope.units) else None,
            remarks=list(item.remarks),
        )


class PlannedGroup(View):
    """Units of one kind of link: how many, how many are never reached, and how soon the others are."""

    link: Link
    """How they are reached."""
    units: int
    """How many."""
    never: int
    """Of these, not reached by themselves."""
    bytes: int
    """On all of their lines together."""
    median_seconds: float | None
    """Until half of the others have it; null: none is reached."""
    longest_seconds: float | None
    """Until all of the others have it."""

    @classmethod
    def of(cls, item: Rollup) -> "PlannedGroup":
        """From the roll-up."""
        return cls(
            link=Link(item.link),
            units=item.units,
            never=item.never,
            bytes=item.size,
            median_seconds=item.median_seconds,
            longest_seconds=item.longest_seconds,
        )


class PlannedFile(View):
    """An attachment, and the bytes of it in each form that it can travel in."""

    name: str
    """What people call it."""
    size: int
    """Bytes as it is."""
    inline: bool
    """It rides inside the message."""
    zstd_size: int | None
    """Bytes compressed; null: not kept so."""
    dcz_size: int | None
    """For units that hold `dictionary`."""
    dictionary: str | None
    """SHA-256 of the earlier attachment that it was compressed with."""

    @classmethod
    def of(cls, file: TravellingAttachment) -> "PlannedFile":
        """From what would travel."""
        return cls(name=file.name, size=file.size, inline=file.inline is not None, **file.forms.model_dump())


class PlanView(View):
    """What a dispatch would come to, as of `at`: what is sent later and is more urgent may overtake it."""

    at: Instant
    """When the plan was made."""
    count: int
    """Addressees."""
    never: int
    """Addressees that it does not reach by itself."""
    bytes: int
    """On all lines together."""
    whole: bool
    """False: there is more on its way to these units than was counted, so times are the earliest."""
    attachments: list[PlannedFile]
    """Its files."""
    groups: list[PlannedGroup]
    """By link, the slowest last."""
    units: list[PlannedUnit]
    """The slowest last; those never reached at the end. With `most_units` the last of them."""
    left_out: list[LeftOutView]
    """Named by the rules and not addressed."""
    notes: list[NoteView]
    """What is worth knowing."""

    @classmethod
    def of(cls, plan: Plan, resolution: Resolution, scope: Scope, most_units: int | None) -> "PlanView":
        """From the plan, as far as a scope sees; of the units, the left out and the notes at most so many."""
        ordered = sorted(plan.units, key=lambda it: (it.arrives_at is None, it.arrives_at or 0, it.unit.code))
        groups = roll_up(plan)
        who = ResolutionView.of(resolution)
        return cls(
            at=iso(plan.at),
            count=len(plan.units),
            never=sum(group.never for group in groups),
            bytes=sum(group.size for group in groups),
            whole=plan.whole,
            attachments=[PlannedFile.of(file) for file in plan.descriptor.attachments],
            groups=[PlannedGroup.of(group) for group in groups],
            units=[PlannedUnit.of(item, plan.at, scope) for item in ordered[_first(len(ordered), most_units) :]],
            left_out=who.left_out[:most_units],
            notes=who.notes[:most_units],
        )


@router.post("/api/v1/dispatches/plan", summary="Plan a dispatch", openapi_extra={"requestBody": SUBMISSION_BODY})
async def plan(
    *,
    request: Request,
    services: Parts,
    sender: Author,
    by_size: Annotated[bool, Query(description="Its files need not be here: their sizes count, as named.")] = False,
    most_units: Annotated[int | None, Query(ge=1, le=1000, description="List the last so many units alone.")] = None,
) -> PlanView:
    """When a dispatch would arrive at each addressee if it were sent now, and what it costs their lines.

    The body is that of `POST /api/v1/dispatches`, with the same checks and the same errors. Nothing is sent, and files
    that come with it are not kept. The times count the bytes in the forms that travel, what is on its way to each unit
    already, the rate of its line as its gateway measured it, and the line's hours. With `by_size` files count as they
    are, not in the smaller forms that would travel: the times are the latest.
    """
    async with draft_in(services.content) as draft:
        submission = await read_submission(request, services, draft)
        new = await services.intake.rehearse(submission, sender=sender, content=draft, by_size=by_size)
    resolution = await asyncio.to_thread(services.intake.resolve, submission.addressees)
    made = await asyncio.to_thread(_plan, services, new)
    return PlanView.of(made, resolution, scope_of(sender), most_units)


def _plan(services: Services, new: NewDispatch) -> Plan:
    with reading(services.engine) as conn:
        return make_plan(conn, new, now_ms=now_ms(), zone=services.timezone, opening_of=_opening_of)


def _opening_of(unit: Unit) -> Windows:
    return parse_opening(unit.opening)


def _first(count: int, most: int | None) -> int:
    return 0 if most is None else max(count - most, 0)
