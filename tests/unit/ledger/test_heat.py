"""The hours at which documents come in, by the installation's own clock."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.ledger.queries.monthly import heat_of
from router.ledger.queries.statistics import SLOT_MS
from schemas.clock import to_ms

SUNDAY_EVENING = to_ms(datetime(2026, 11, 22, 20, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    ("zone", "weekday", "hour"),
    [("UTC", 6, 20), ("Asia/Ho_Chi_Minh", 0, 3), ("Asia/Kathmandu", 0, 2), ("America/New_York", 6, 15)],
)
def test_a_quarter_of_an_hour_counts_where_its_zone_has_it(zone: str, weekday: int, hour: int) -> None:
    assert heat_of({SUNDAY_EVENING: 5}, zone)[weekday][hour] == 5


@given(st.dictionaries(st.integers(0, 10**6).map(lambda slot: slot * SLOT_MS), st.integers(1, 100)))
def test_nothing_is_lost_or_counted_twice(slots: dict[int, int]) -> None:
    heat = heat_of(slots, "Europe/Berlin")
    assert [len(row) for row in heat] == [24] * 7
    assert sum(map(sum, heat)) == sum(slots.values())
