"""What the web API shows of units and their lines, as JSON, and who addressing rules would reach."""

from collections.abc import Sequence

from pydantic import Field

from router.directory import Resolution
from router.ledger.queries import LineRow, OutageRow
from router.rules.outages import LineState, ToldBy
from router.words.plan_views import LeftOutView, NoteView
from router.words.view import Instant, View
from schemas.clock import iso
from schemas.unit import Link, Unit


class UnitView(View):
    """A unit: its code, name, kind and link."""

    code: str
    """A dotted path, most general part first."""
    name: str
    """Its name."""
    kind: str
    """A word that is data: province, district, commune …"""
    link: Link
    """How it is reached."""

    @classmethod
    def of(cls, unit: Unit) -> "UnitView":
        """From the directory."""
        return cls(code=unit.code, name=unit.name, kind=unit.kind, link=unit.link)


class OpeningView(View):
    """The hours of a unit's line: outside of them only express work is fetched."""

    hours: str
    """As ``18:00-21:00, 05:00-06:30``."""
    timezone: str
    """IANA name of the zone whose clock they are of."""


class ListedUnitView(UnitView):
    """A unit with what its gateway has to know of it."""

    opening: OpeningView | None
    """Null: its line is always open."""

    @classmethod
    def listed(cls, unit: Unit, timezone: str) -> "ListedUnitView":
        """From the directory, and the zone of the installation."""
        opening = OpeningView(hours=unit.opening, timezone=timezone) if unit.opening else None
        return cls(**UnitView.of(unit).model_dump(), opening=opening)


class LineView(View):
    """A unit's line as its gateway reports it, and as its silence shows it."""

    state: LineState
    """up, or down: nothing was heard for three intervals of its reports."""
    since: Instant
    """When this state began."""
    heard_at: Instant
    """The last sign of it."""
    rate_down: int | None
    """Bytes per second, as measured on what was fetched; null: never measured."""
    rate_up: int | None
    """The same of what was sent."""
    clock_skew_ms: int
    """The gateway's clock minus the router's."""
    gateway_version: str | None
    """Of the program that reports; null: it never said."""

    @classmethod
    def of(cls, row: LineRow) -> "LineView":
        """From the ledger's row."""
        return cls(
            state=row.state,
            since=iso(row.since),
            heard_at=iso(row.heard_at),
            rate_down=row.rate_down,
            rate_up=row.rate_up,
            clock_skew_ms=row.clock_skew_ms,
            gateway_version=row.gateway_version,
        )


class OutageView(View):
    """A time that a unit's line was down; no end while it is."""

    began_at: Instant
    """When it went down."""
    ended_at: Instant | None
    """When it was up again; null: it is down."""
    told_by: ToldBy
    """gateway: exact, by its report; silence: from the last sign of it to the next."""

    @classmethod
    def of(cls, row: OutageRow) -> "OutageView":
        """From the ledger's row."""
        return cls(
            began_at=iso(row.began_at),
            ended_at=None if row.ended_at is None else iso(row.ended_at),
            told_by=row.told_by,
        )


class UnitDetailView(ListedUnitView):
    """A unit with its line."""

    parent: str | None
    """The code of the unit above it; null: it is the root."""
    note: str
    """For operators."""
    line: LineView | None
    """Null: its gateway never reported."""
    outages: list[OutageView]
    """Of the last seven days, the latest first."""

    @classmethod
    def whole(cls, unit: Unit, timezone: str, line: LineRow | None, outages: Sequence[OutageRow]) -> "UnitDetailView":
        """From the directory and the ledger's rows."""
        return cls(
            **ListedUnitView.listed(unit, timezone).model_dump(),
            parent=unit.parent,
            note=unit.note,
            line=LineView.of(line) if line else None,
            outages=[OutageView.of(row) for row in outages],
        )


class ResolutionView(View):
    """Who would be addressed today, who not, and why."""

    count: int
    """How many units would be addressed."""
    included: list[UnitView]
    """These."""
    left_out: list[LeftOutView]
    """Named by the rules and not addressed."""
    notes: list[NoteView]
    """What is worth knowing."""
    not_allowed: list[str] = Field([], examples=[["LCA.VP"]])
    """Of `included`, those that the account may not send to: a dispatch with these rules is refused whole."""

    @classmethod
    def of(cls, found: Resolution, not_allowed: Sequence[str] = ()) -> "ResolutionView":
        """From the directory's answer."""
        return cls(
            count=len(found.included),
            included=[UnitView.of(unit) for unit in found.included],
            left_out=LeftOutView.of(found),
            notes=NoteView.of(found),
            not_allowed=list(not_allowed),
        )
