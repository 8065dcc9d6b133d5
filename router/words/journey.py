"""A delivery's journey as one line of steps, oldest first: receipts, publishes, failed publishes, drops of the line."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from sqlalchemy import Connection

from router.ledger import queries
from router.ledger.queries import AttemptRow, DeliveryDetail, OutageRow, ReceiptRow
from router.ledger.scope import Scope
from schemas.states import UNDELIVERED, Effect, Status

MOST_DROPS = 500
"""Drops of the line that a journey shows, the latest."""


class Sort(StrEnum):
    """What kind of step it is."""

    ACCEPTED = "accepted"
    RECEIPT = "receipt"
    PUBLISHED = "published"
    """It was sent again, and the broker confirmed it."""
    ATTEMPT = "attempt"
    """A publish that the broker did not confirm."""
    OUTAGE = "outage"
    """The unit's line was down, once or several times in a row."""


@dataclass(frozen=True, slots=True)
class JourneyStep:
    """One step: when it was recorded (UTC ms), and the row or rows it comes from."""

    at: int
    sort: Sort
    receipt: ReceiptRow | None = None
    attempt: AttemptRow | None = None
    outages: tuple[OutageRow, ...] = ()

    @property
    def down_until(self) -> int | None:
        """When the line was back from the last of the outages; None: it is not."""
        return self.outages[-1].ended_at if self.outages else None


def journey_of(detail: DeliveryDetail, outages: Sequence[OutageRow] = ()) -> list[JourneyStep]:
    """The steps in the order of their times; outages between two others are one step."""
    told = [_told(row) for row in detail.receipts]
    tried = [JourneyStep(row.at, Sort.ATTEMPT, attempt=row) for row in detail.attempts]
    down = [JourneyStep(row.began_at, Sort.OUTAGE, outages=(row,)) for row in outages]
    accepted = JourneyStep(detail.delivery.created_at, Sort.ACCEPTED)
    return list(_joined(sorted([accepted, *told, *tried, *down], key=lambda step: step.at)))


def travels_until(detail: DeliveryDetail, now_ms: int) -> int:
    """Until when a drop of the line concerned it (UTC ms): while the service had to bring it."""
    if detail.delivery.state in UNDELIVERED:
        return now_ms
    moved = (row for row in detail.receipts if row.effect is Effect.ADVANCE)
    return min((row.recorded_at for row in moved if row.status not in UNDELIVERED), default=now_ms)


def _told(row: ReceiptRow) -> JourneyStep:
    again = row.status is Status.QUEUED and row.effect is Effect.STALE
    return JourneyStep(row.recorded_at, Sort.PUBLISHED if again else Sort.RECEIPT, receipt=row)


def _joined(steps: Iterable[JourneyStep]) -> Iterator[JourneyStep]:
    for is_outage, run in groupby(steps, key=lambda step: step.sort is Sort.OUTAGE):
        if is_outage:
            rows = tuple(row for step in run for row in step.outages)
            yield JourneyStep(rows[0].began_at, Sort.OUTAGE, outages=rows)
        else:
            yield from run


def drops_of(conn: Connection, detail: DeliveryDetail, now: int) -> list[OutageRow]:
    """When the unit's line was down while the delivery was on its way; whoever sees the delivery may know."""
    row = detail.delivery
    scope, until = Scope(units=(row.unit,)), travels_until(detail, now)
    return queries.outages(conn, scope, since=row.created_at, until=until, units=row.unit, limit=MOST_DROPS)[::-1]
