"""A month's statistics put together: its figures, the months before it, and the hours at which documents came in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from router.ledger.queries.statistics import Breakdown, Measured, Period, accepted_by_slot, measure, measure_spans
from router.ledger.scope import Scope
from schemas.months import Month

MONTHS = 12
"""A month is shown as the last of so many."""
WEEKDAYS, HOURS = 7, 24
Heat = Sequence[Sequence[int]]
"""How many deliveries were accepted at each hour of each weekday; Monday is the first."""


@dataclass(frozen=True, slots=True)
class MonthlyStatistics:
    """What is said of a month."""

    month: Month
    period: Period
    breakdown: Breakdown
    trend: Sequence[tuple[Month, Measured]]
    """The months that end with this one, the earliest first."""
    heat: Heat

    @property
    def head(self) -> str:
        """The code of the unit that is meant with all below it; empty: all that the scope sees."""
        return self.period.head

    @property
    def whole(self) -> Measured:
        """The figures of the month."""
        return self.trend[-1][1]

    @property
    def before(self) -> Measured:
        """The figures of the month before."""
        return self.trend[-2][1]


def monthly(
    conn: Connection, scope: Scope, month: Month, *, head: str, timezone: str, now_ms: int
) -> MonthlyStatistics:
    """The statistics of a month.

    Args:
        conn: a transaction.
        scope: what the caller sees.
        month: which one.
        head: the code of a unit, which stands for it and all below it; empty: all that the scope sees.
        timezone: IANA name of the zone whose months and hours are meant.
        now_ms: the present (UTC ms).
    """
    period = Period(month.begins(timezone), month.plus(1).begins(timezone), head)
    months = [month.plus(number) for number in range(1 - MONTHS, 1)]
    bounds = [item.begins(timezone) for item in (*months, month.plus(1))]
    spans = measure_spans(conn, scope, head, bounds, now_ms=now_ms)
    return MonthlyStatistics(
        month=month,
        period=period,
        breakdown=measure(conn, scope, period, now_ms=now_ms),
        trend=list(zip(months, spans, strict=True)),
        heat=heat_of(accepted_by_slot(conn, scope, period), timezone),
    )


def heat_of(slots: Mapping[int, int], timezone: str) -> Heat:
    """Counts by the time their slot began (UTC ms) as counts by weekday and hour in a time zone (its IANA name)."""
    zone = ZoneInfo(timezone)
    heat = [[0] * HOURS for _ in range(WEEKDAYS)]
    for began, count in slots.items():
        there = datetime.fromtimestamp(began / 1000, zone)
        heat[there.weekday()][there.hour] += count
    return heat
