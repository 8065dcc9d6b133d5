"""A plan as it is shown: by the web API as JSON, by the page that sends as what stands beside the letter."""

from router.directory import Resolution
from router.ledger.scope import Scope
from router.planning import Plan, Remark, Rollup, UnitPlan, roll_up
from router.rules.schedule import is_reachable
from router.words.view import Instant, View
from schemas.attachment import TravellingAttachment
from schemas.clock import iso, now_ms
from schemas.codes import covers
from schemas.unit import Link


class LeftOutView(View):
    """A unit that the rules name and that would not be addressed."""

    unit: str
    """Its code."""
    reason: str
    """In a word: excluded, no line, abolished …"""
    detail: str
    """In a sentence."""

    @classmethod
    def of(cls, found: Resolution) -> "list[LeftOutView]":
        """All of a directory's answer."""
        return [cls(unit=item.unit_code, reason=item.reason, detail=item.detail) for item in found.left_out]


class NoteView(View):
    """A remark on an addressee or, without a unit, on a rule."""

    code: str
    """In a word."""
    unit: str
    """Which addressee; empty: a rule."""
    detail: str
    """In a sentence."""

    @classmethod
    def of(cls, found: Resolution) -> "list[NoteView]":
        """All of a directory's answer."""
        return [cls(code=item.code, unit=item.unit_code, detail=item.detail) for item in found.notes]


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
    """Named by the rules and not addressed; with `most_units` the first of them."""
    left_out_count: int
    """How many these are in all."""
    notes: list[NoteView]
    """What is worth knowing."""

    @classmethod
    def of(cls, plan: Plan, resolution: Resolution, scope: Scope, most_units: int | None = None) -> "PlanView":
        """From the plan, as far as a scope sees; of the units, the left out and the notes at most so many."""
        ordered = sorted(plan.units, key=lambda it: (it.arrives_at is None, it.arrives_at or 0, it.unit.code))
        groups = roll_up(plan)
        return cls(
            at=iso(plan.at),
            count=len(plan.units),
            never=sum(group.never for group in groups),
            bytes=sum(group.size for group in groups),
            whole=plan.whole,
            attachments=[PlannedFile.of(file) for file in plan.descriptor.attachments],
            groups=[PlannedGroup.of(group) for group in groups],
            units=[PlannedUnit.of(item, plan.at, scope) for item in ordered[_first(len(ordered), most_units) :]],
            left_out=LeftOutView.of(resolution)[:most_units],
            left_out_count=len(resolution.left_out),
            notes=NoteView.of(resolution)[:most_units],
        )

    @classmethod
    def counted(cls, resolution: Resolution) -> "PlanView":
        """Who would be addressed alone: without times, which take long for very many."""
        return cls(
            at=iso(now_ms()),
            count=len(resolution.included),
            never=sum(not is_reachable(unit.link) for unit in resolution.included),
            bytes=0,
            whole=False,
            attachments=[],
            groups=[],
            units=[],
            left_out=LeftOutView.of(resolution),
            left_out_count=len(resolution.left_out),
            notes=NoteView.of(resolution),
        )


def _first(count: int, most: int | None) -> int:
    return 0 if most is None else max(count - most, 0)
