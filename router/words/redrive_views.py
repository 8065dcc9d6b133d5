"""What the web API shows of redrives, as JSON."""

from router.ledger.redrives.decisions import JobState, Outcome, Pace
from router.ledger.redrives.making import DryRun
from router.ledger.redrives.reading import RedriveItem, RedriveJob
from router.words.view import Identifier, Instant, View
from schemas.clock import iso
from schemas.states import Status


class DryRunView(View):
    """What a redrive would do."""

    cut_off: Instant
    """What got stuck at this time or later is not part of it: give it to the redrive to get just these."""
    eligible: int
    """How many would be sent again."""
    not_yours: int
    """How many fit that the account sees and may not act on."""
    skipped: dict[Status, int]
    """How many fit and cannot be sent again, by their state."""

    @classmethod
    def of(cls, run: DryRun, cut_at: int) -> "DryRunView":
        """From the ledger's answer."""
        skipped = {state.value: count for state, count in sorted(run.skipped.items())}
        return cls(cut_off=iso(cut_at), eligible=run.eligible, not_yours=run.not_yours, skipped=skipped)


class RedriveView(View):
    """A redrive as it stands."""

    id: Identifier
    """Made at once; it never changes."""
    state: JobState
    """How it stands."""
    state_at: Instant
    """Since when."""
    note: str
    """Why it is in its state; empty when the account does not see all its deliveries."""
    made_by: str
    """The account or person."""
    made_at: Instant
    """When."""
    goes_on_by: str
    """On whose authority it goes on."""
    reason: str
    """Why it may work now."""
    filter: str
    """Empty when the account does not see all its deliveries."""
    cut_off: Instant
    """What got stuck at this time or later is not part of it."""
    pace: Pace
    """How it lets deliveries go."""
    per_minute: int | None
    """With the pace `rate`."""
    watch_seconds: int
    """For how long each is watched."""
    total: int
    """Its deliveries that the account sees."""
    sent: int
    """Of these."""
    allowed: int
    """How many may be sent before somebody, or its pace, lets more go."""
    outcomes: dict[Outcome, int]
    """How many have each outcome."""

    @classmethod
    def of(cls, job: RedriveJob) -> "RedriveView":
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


class RedrivePage(View):
    """Redrives, the latest first."""

    items: list[RedriveView]
    """The redrives."""
    next: str | None = None
    """Where the next page is; null at the end."""


class RedriveItemView(View):
    """One delivery of a redrive."""

    delivery_id: Identifier
    """Which."""
    unit: str
    """To whom."""
    outcome: Outcome
    """What became of it here."""
    sent_at: Instant | None
    """When it was sent again; null: not yet."""
    note: str
    """Why it failed or was skipped."""
    state: Status
    """The delivery's own, now."""

    @classmethod
    def of(cls, item: RedriveItem) -> "RedriveItemView":
        """From the ledger's row."""
        return cls(
            delivery_id=item.delivery_id,
            unit=item.unit,
            outcome=item.outcome,
            sent_at=None if item.sent_at is None else iso(item.sent_at),
            note=item.note,
            state=item.state,
        )


class RedriveItemPage(View):
    """Deliveries of a redrive in the order in which they are sent."""

    items: list[RedriveItemView]
    """The deliveries."""
    next: str | None = None
    """Where the next page is; null at the end."""
