"""Months: read and written in one form, counted across years, begun at their zone's midnight."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.clock import to_ms
from schemas.months import Month

MONTHS = st.builds(Month, st.integers(2000, 2100), st.integers(1, 12))


@given(MONTHS)
def test_a_month_is_read_as_it_is_written(month: Month) -> None:
    assert Month.read(str(month)) == month


@pytest.mark.parametrize("text", ["", "2026", "2026-13", "2026-00", "26-11", "2026-1", "1969-12", "2026-11-22"])
def test_what_is_no_month_is_refused_with_how_it_is_written(text: str) -> None:
    with pytest.raises(ValueError, match="write it as 2026-11"):
        Month.read(text)


@given(MONTHS, st.integers(-300, 300))
def test_months_are_counted_across_years(month: Month, count: int) -> None:
    there = month.plus(count)
    assert there.plus(-count) == month
    assert (there.year - month.year) * 12 + there.month - month.month == count


def test_a_month_begins_at_its_zones_midnight_and_holds_its_moments() -> None:
    began = Month(2026, 11).begins("Asia/Ho_Chi_Minh")
    assert began == to_ms(datetime(2026, 10, 31, 17, tzinfo=UTC))
    assert Month.at(began, "Asia/Ho_Chi_Minh") == Month(2026, 11)
    assert Month.at(began - 1, "Asia/Ho_Chi_Minh") == Month(2026, 10)
    assert Month.at(began, "UTC") == Month(2026, 10)
