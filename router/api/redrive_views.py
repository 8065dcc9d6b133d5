"""What the web API shows of redrives, as JSON."""

from pydantic import BaseModel

from router.ledger.redrives.making import DryRun
from router.ledger.redrives.reading import Item, Job
from schemas.clock import iso


class DryRunView(BaseModel):
    """What a redrive would do."""

    cut_off: str
    """What got stuck at this time or later is not part of it: give it to the redrive to get just these."""
    eligible: int
    """How many would be sent again."""
    not_yours: int
    """How many fit that the account sees and may not act on."""
    skipped: dict[str, int]
    """How many fit and cannot be sent again, by their state."""

    @classmethod
    def of(cls, run: DryRun, cut_at: int) -> "DryRunView":
        """From the ledger's answer."""
        skipped = {state.value: count for state, count in sorted(run.skipped.items())}
        return cls(cut_off=iso(cut_at), eligible=run.eligible, not_yours=run.not_yours, skipped=skipped)


class RedriveView(BaseModel):
    """A redrive as it stands."""

    id: str
    state: str
    state_at: str
    note: str
    """Why it is in its state; empty when the account does not see all its deliveries."""
    made_by: str
    made_at: str
    goes_on_by: str
    """On whose authority it goes on."""
    reason: str
    filter: str
    """Empty when the account does not see all its deliveries."""
    cut_off: str
    pace: str
    per_minute: int | None
    watch_seconds: int
    total: int
    """Its deliveries that the account sees."""
    sent: int
    allowed: int
    """How many may be sent before somebody, or its pace, lets more go."""
    outcomes: dict[str, int]

    @classmethod
    def of(cls, job: Job) -> "RedriveView":
        """From the ledger's row."""
        return cls(
            id=job.id,
            state=job.state,
            state_at=iso(job.state_at),
            note=job.course.note,
            made_by=job.maker.name,
            made_at=iso(job.made_at),
            goes_on_by=job.by.name,
            reason=job.reason,
            filter=job.filter,
            cut_off=iso(job.cut_at),
            pace=job.course.pace,
            per_minute=job.per_minute,
            watch_seconds=job.watch_ms // 1000,
            total=job.tally.total,
            sent=job.tally.sent,
            allowed=job.course.allowed,
            outcomes={outcome.value: count for outcome, count in sorted(job.tally.counts.items())},
        )


class RedrivePage(BaseModel):
    """Redrives, the latest first."""

    items: list[RedriveView]
    next: str | None = None
    """Where the next page is; null at the end."""


class RedriveItemView(BaseModel):
    """One delivery of a redrive."""

    delivery_id: str
    unit: str
    outcome: str
    sent_at: str | None
    note: str
    """Why it failed or was skipped."""
    state: str
    """The delivery's own, now."""

    @classmethod
    def of(cls, item: Item) -> "RedriveItemView":
        """From the ledger's row."""
        return cls(
            delivery_id=item.delivery_id,
            unit=item.unit,
            outcome=item.outcome,
            sent_at=None if item.sent_at is None else iso(item.sent_at),
            note=item.note,
            state=item.state,
        )


class RedriveItemPage(BaseModel):
    """Deliveries of a redrive in the order in which they are sent."""

    items: list[RedriveItemView]
    next: str | None = None
    """Where the next page is; null at the end."""
