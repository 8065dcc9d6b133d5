"""What the web API shows of the ledger, as JSON: times in RFC 3339, states by their names."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from router.ledger.queries import Addressee, DispatchDetail, DispatchRow, LogEntry
from router.words.view import Identifier, Instant, View
from schemas.clock import iso
from schemas.dispatch import Kind, Lane, Submission, Urgency
from schemas.states import Effect, Status
from schemas.unit import Link


class DispatchSummary(View):
    """A dispatch as lists show it."""

    id: Identifier
    """Made at acceptance; it never changes."""
    issuer: str
    """The code of the unit that issues it."""
    kind: Kind
    """A document of its own, or one that changes others."""
    notation: str
    """Its number as printed (số, ký hiệu)."""
    subject: str
    """What it is about (trích yếu)."""
    urgency: Urgency
    """0 thường, 1 khẩn, 2 thượng khẩn, 3 hỏa tốc, 4 hỏa tốc hẹn giờ."""
    lane: Lane
    """By which of the two queues of a unit it travels."""
    due: Instant | None
    """The deadline for the answer."""
    accepted_at: Instant
    """When it was accepted."""
    addressees: int
    """All units it goes to."""
    arrived: int
    """Of those the caller may see: at their unit, whatever people did since."""
    states: dict[Status, int]
    """Of those the caller may see: how many are in each state."""

    @classmethod
    def of(cls, row: DispatchRow) -> "DispatchSummary":
        """From the ledger's row."""
        return cls(**_summary(row))


class AddresseeView(View):
    """One addressee of a dispatch: where its delivery stands, and since when."""

    delivery_id: Identifier
    """Of this dispatch's delivery to this unit."""
    unit: str
    """The addressee's code."""
    unit_name: str
    """Its name."""
    link: Link
    """How it is reached."""
    seq: int
    """The unit's running number of this delivery."""
    state: Status
    """Where the delivery stands."""
    state_at: Instant
    """Since when."""
    reason: str
    """Why it waits, was parked or refused."""
    register_number: str
    """The unit's own arrival number (số đến), once it has registered it."""
    times: dict[Status, Instant]
    """When each state was recorded first."""
    published: int
    """How often the broker confirmed it."""
    failures: int
    """Publishes in a row that the broker did not confirm."""
    next_due_at: Instant | None
    """When it is sent (again) by itself; null: it is not."""
    bytes_held: int | None
    """Of its files at the unit's gateway, while they are on their way; null: the gateway has not said."""
    bytes_total: int | None
    """Of how many; null: the gateway has not said."""
    line_down_since: Instant | None
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


class TransfersView(View):
    """How far the files have come at the addressees that are on their way and the caller may see."""

    bytes_held: int
    """At those whose gateways have said."""
    bytes_total: int
    """Of how many, at these."""
    lines_down: int
    """Addressees that wait for their line to come up."""


class DispatchView(DispatchSummary):
    """A dispatch whole, with a page of its addressees by unit code."""

    submission: Submission
    """As it was accepted; its `addressees` as far as the account's units go, all of them where it sees the issuer."""
    addressees_are_part: bool
    """Whether it may be addressed to others than the account may see."""
    content_sha256: str
    """What the units' receipts name: SHA-256 over the hashes of the attachments."""
    traceparent: str
    """The W3C trace context that it was submitted with."""
    transfers: TransfersView
    """How far its files have come."""
    referred_by: list[Identifier]
    """Dispatches that answer, recall, update or replace this one."""
    deliveries: list[AddresseeView]
    """A page of its addressees, by unit code."""
    next: str | None = None
    """Where the next page of addressees is."""

    @classmethod
    def whole(cls, detail: DispatchDetail, page: Sequence[Addressee], following: str | None) -> "DispatchView":
        """From the ledger's rows."""
        return cls(
            **_summary(detail.row),
            submission=Submission.model_validate_json(detail.submission),
            addressees_are_part=detail.is_part,
            content_sha256=detail.content_sha256,
            traceparent=detail.traceparent,
            transfers=TransfersView(**asdict(detail.transfers)),
            referred_by=list(detail.referred_by),
            deliveries=[AddresseeView.of(item) for item in page],
            next=following,
        )


class DispatchPage(View):
    """A page of dispatches, the latest first."""

    items: list[DispatchSummary]
    """The dispatches."""
    next: str | None = None
    """Where the next page is; null at the end. The Link header says the same."""


class ReceiptView(View):
    """One receipt as it was recorded."""

    pos: int
    """Its place in the ledger's log."""
    id: Identifier
    """Its id, made by whoever said it."""
    unit: str
    """Whose delivery."""
    delivery_id: Identifier
    """Of which delivery."""
    status: Status
    """What it says."""
    effect: Effect
    """advance: it moved the delivery; stale: kept, the delivery was further already; refused: kept, not allowed;
    correct: it puts the fields of another right; back: it undoes another, and the delivery is in `status` again."""
    recorded_at: Instant
    """By the clock of the router."""
    at: Instant
    """By the teller's clock."""
    reason: str
    """Why; or why it was refused."""
    person: str
    """Who said it, when a person did."""
    register_number: str
    """The unit's own arrival number (số đến)."""
    attempts: int
    """How often the unit's own system was tried."""
    corrects: Identifier | None
    """The receipt whose fields it puts right."""
    undoes: Identifier | None
    """The receipt that was given by mistake."""

    @classmethod
    def of(cls, entry: LogEntry) -> "ReceiptView":
        """From the ledger's row."""
        return cls(
            pos=entry.pos,
            id=entry.id,
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
            corrects=entry.corrects,
            undoes=entry.undoes,
        )


class ReceiptPage(View):
    """Receipts in the order of the log."""

    items: list[ReceiptView]
    """The receipts."""
    next: str | None = None
    """Where what follows is, or will be."""


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
