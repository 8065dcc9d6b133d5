"""What the web API shows of the ledger, as JSON: times in RFC 3339, states by their names."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel

from router.directory import Resolution
from router.ledger.queries import Addressee, DispatchDetail, DispatchRow, LineRow, LogEntry, OutageRow
from schemas.clock import iso
from schemas.dispatch import Submission
from schemas.states import Status
from schemas.unit import Unit


class DispatchSummary(BaseModel):
    """A dispatch as lists show it."""

    id: str
    issuer: str
    kind: str
    notation: str
    subject: str
    urgency: int
    lane: str
    due: str | None
    accepted_at: str
    addressees: int
    """All units it goes to."""
    arrived: int
    """Of those the caller may see: at their unit, whatever people did since."""
    states: dict[str, int]
    """Of those the caller may see: how many are in each state."""

    @classmethod
    def of(cls, row: DispatchRow) -> "DispatchSummary":
        """From the ledger's row."""
        return cls(**_summary(row))


class AddresseeView(BaseModel):
    """One addressee of a dispatch: where its delivery stands, and since when."""

    delivery_id: str
    unit: str
    unit_name: str
    link: str
    seq: int
    """The unit's running number of this delivery."""
    state: str
    state_at: str
    reason: str
    """Why it waits, was parked or refused."""
    register_number: str
    times: dict[str, str]
    """When each state was recorded first."""
    published: int
    """How often the broker confirmed it."""
    failures: int
    """Publishes in a row that the broker did not confirm."""
    next_due_at: str | None
    """When it is sent (again) by itself; null: it is not."""
    bytes_held: int | None
    """Of its files at the unit's gateway, while they are on their way; null: the gateway has not said."""
    bytes_total: int | None
    line_down_since: str | None
    """While it is on its way and waits for the unit's line to come up."""

    @classmethod
    def of(cls, item: Addressee) -> "AddresseeView":
        """From the ledger's row."""
        row = item.delivery
        return cls(
            delivery_id=row.id,
            unit=row.unit,
            unit_name=row.unit_name,
            link=row.link,
            seq=row.seq,
            state=row.state,
            state_at=iso(row.state_at),
            reason=row.reason,
            register_number=item.register_number,
            times=_in_order(item.times),
            published=row.published,
            failures=row.failures,
            next_due_at=_iso_or_none(row.next_due_at),
            bytes_held=row.bytes_held if row.is_coming else None,
            bytes_total=row.bytes_total if row.is_coming else None,
            line_down_since=_iso_or_none(row.line_down_since if row.waits_for_line else None),
        )


class TransfersView(BaseModel):
    """How far the files have come at the addressees that are on their way and the caller may see."""

    bytes_held: int
    """At those whose gateways have said."""
    bytes_total: int
    lines_down: int
    """Addressees that wait for their line to come up."""


class DispatchView(DispatchSummary):
    """A dispatch whole, with a page of its addressees by unit code."""

    submission: Submission
    """As it was accepted."""
    content_sha256: str
    """What the units' receipts name: SHA-256 over the hashes of the attachments."""
    traceparent: str
    transfers: TransfersView
    referred_by: list[str]
    """Dispatches that answer, recall, update or replace this one."""
    deliveries: list[AddresseeView]
    next: str | None = None
    """Where the next page of addressees is."""

    @classmethod
    def whole(cls, detail: DispatchDetail, page: Sequence[Addressee], following: str | None) -> "DispatchView":
        """From the ledger's rows."""
        return cls(
            **_summary(detail.row),
            submission=Submission.model_validate_json(detail.submission),
            content_sha256=detail.content_sha256,
            traceparent=detail.traceparent,
            transfers=TransfersView(**asdict(detail.transfers)),
            referred_by=list(detail.referred_by),
            deliveries=[AddresseeView.of(item) for item in page],
            next=following,
        )


class DispatchPage(BaseModel):
    """A page of dispatches, the latest first."""

    items: list[DispatchSummary]
    next: str | None = None
    """Where the next page is; null at the end. The Link header says the same."""


class ReceiptView(BaseModel):
    """One receipt as it was recorded."""

    pos: int
    """Its place in the ledger's log."""
    unit: str
    delivery_id: str
    status: str
    effect: str
    """advance: it moved the delivery; stale: kept, the delivery was further already; refused: kept, not allowed."""
    recorded_at: str
    at: str
    """By the teller's clock."""
    reason: str
    person: str
    register_number: str
    attempts: int

    @classmethod
    def of(cls, entry: LogEntry) -> "ReceiptView":
        """From the ledger's row."""
        return cls(
            pos=entry.pos,
            unit=entry.unit,
            delivery_id=entry.delivery_id,
            status=entry.status,
            effect=entry.effect,
            recorded_at=iso(entry.recorded_at),
            at=entry.at,
            reason=entry.reason,
            person=entry.person,
            register_number=entry.register_number,
            attempts=entry.attempts,
        )


class ReceiptPage(BaseModel):
    """Receipts in the order of the log."""

    items: list[ReceiptView]
    next: str | None = None
    """Where what follows is, or will be."""


class UnitView(BaseModel):
    """A unit: its code, name, kind and link."""

    code: str
    name: str
    kind: str
    link: str

    @classmethod
    def of(cls, unit: Unit) -> "UnitView":
        """From the directory."""
        return cls(code=unit.code, name=unit.name, kind=unit.kind, link=unit.link)


class OpeningView(BaseModel):
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


class LineView(BaseModel):
    """A unit's line as its gateway reports it, and what its silence tells."""

    state: str
    """up, or down: nothing was heard for three intervals of its reports."""
    since: str
    heard_at: str
    """The last sign of it."""
    rate_down: int | None
    """Bytes per second, as measured on what was fetched; null: never measured."""
    rate_up: int | None
    """The same of what was sent."""
    clock_skew_ms: int
    """The gateway's clock minus the router's."""
    gateway_version: str | None

    @classmethod
    def of(cls, row: LineRow) -> "LineView":
        """From the ledger's row."""
        return cls(
            state=row.state.value,
            since=iso(row.since),
            heard_at=iso(row.heard_at),
            rate_down=row.rate_down,
            rate_up=row.rate_up,
            clock_skew_ms=row.clock_skew_ms,
            gateway_version=row.gateway_version,
        )


class OutageView(BaseModel):
    """A time that a unit's line was down; no end while it is."""

    began_at: str
    ended_at: str | None
    told_by: str
    """gateway: exact, by its report; silence: from the last sign of it to the next."""

    @classmethod
    def of(cls, row: OutageRow) -> "OutageView":
        """From the ledger's row."""
        return cls(began_at=iso(row.began_at), ended_at=_iso_or_none(row.ended_at), told_by=row.told_by.value)


class UnitDetailView(ListedUnitView):
    """A unit with its line."""

    parent: str | None
    note: str
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


class LeftOutView(BaseModel):
    """A unit that the rules name and that would not be addressed."""

    unit: str
    reason: str
    detail: str


class NoteView(BaseModel):
    """A remark on an addressee or, without a unit, on a rule."""

    code: str
    unit: str
    detail: str


class ResolutionView(BaseModel):
    """Who would be addressed today, who not, and why."""

    count: int
    included: list[UnitView]
    left_out: list[LeftOutView]
    notes: list[NoteView]
    not_allowed: list[str] = []
    """Of `included`, those that the account may not send to: a dispatch with these rules is refused whole."""

    @classmethod
    def of(cls, found: Resolution, not_allowed: Sequence[str] = ()) -> "ResolutionView":
        """From the directory's answer."""
        return cls(
            count=len(found.included),
            included=[UnitView.of(unit) for unit in found.included],
            left_out=[LeftOutView(unit=it.unit_code, reason=it.reason, detail=it.detail) for it in found.left_out],
            notes=[NoteView(code=it.code, unit=it.unit_code, detail=it.detail) for it in found.notes],
            not_allowed=list(not_allowed),
        )


def _summary(row: DispatchRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "issuer": row.issuer,
        "kind": row.kind,
        "notation": row.notation,
        "subject": row.subject,
        "urgency": row.urgency,
        "lane": row.lane,
        "due": _iso_or_none(row.due_at),
        "accepted_at": iso(row.accepted_at),
        "addressees": row.total,
        "arrived": row.roll_up.arrived,
        "states": {status.value: count for status, count in sorted(row.roll_up.counts.items())},
    }


def _in_order(times: Mapping[Status, int]) -> dict[str, str]:
    """By time; what happened in the same millisecond in the order of the states."""
    declared = list(Status)
    ordered = sorted(times, key=lambda status: (times[status], declared.index(status)))
    return {status.value: iso(times[status]) for status in ordered}


def _iso_or_none(ms: int | None) -> str | None:
    return None if ms is None else iso(ms)
