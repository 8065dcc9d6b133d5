"""Working days and hours: public holidays, weekends, days that were moved, exceptions of an office's own."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.clock import to_ms
from schemas.errors import InvalidError
from schemas.working_calendar import (
    Exceptions,
    WorkingCalendar,
    known_country,
    parse_exceptions,
    parse_office_hours,
)

ZONE = "Asia/Ho_Chi_Minh"
CALENDAR = WorkingCalendar(ZONE)
DAYS = st.dates(date(2000, 1, 1), date(2090, 12, 31))
INSTANTS = st.integers(to_ms(datetime(2000, 1, 1, tzinfo=ZoneInfo(ZONE))), 3_800_000_000_000)


def at(text: str) -> int:
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE)))


@pytest.mark.parametrize(
    ("day", "works", "why"),
    [
        ("2026-11-23", True, "a Monday"),
        ("2026-11-24", False, "Ngày Văn hóa Việt Nam, from 2026 on"),
        ("2025-11-24", True, "the same day before"),
        ("2026-11-28", False, "a Saturday"),
        ("2026-11-29", False, "a Sunday"),
        ("2027-02-04", False, "29 tháng Chạp, before Tết Đinh Mùi"),
        ("2027-02-10", False, "mồng 5 Tết"),
        ("2027-02-11", True, "mồng 6 Tết"),
        ("2026-04-27", False, "Giỗ Tổ on a Sunday, so the Monday is off"),
        ("2026-08-31", False, "moved"),
        ("2026-08-22", True, "the Saturday that it was moved to"),
        ("2027-05-03", False, "1 May on a Saturday"),
        ("2026-09-01", False, "Quốc khánh has two days"),
    ],
)
def test_public_holidays_and_days_that_the_government_moved(day: str, works: bool, why: str) -> None:  # noqa: FBT001 - a column
    assert CALENDAR.works_on(date.fromisoformat(day)) is works, why


def test_an_offices_own_exceptions_come_before_the_countrys() -> None:
    found = parse_exceptions(
        "\ufeff# Thông báo về lịch nghỉ\n2027-02-13 work  Làm bù\n\n2027-02-11  off\tNghỉ bù  # theo thông báo\n"
    )
    assert found == Exceptions(frozenset({date(2027, 2, 11)}), frozenset({date(2027, 2, 13)}))
    own = WorkingCalendar(ZONE, exceptions=found)
    assert own.next_working_day(date(2027, 2, 3)) == date(2027, 2, 12)
    assert own.next_working_day(date(2027, 2, 12)) == date(2027, 2, 13)


def test_every_wrong_line_of_exceptions_is_named() -> None:
    with pytest.raises(InvalidError) as caught:
        parse_exceptions("2027-02-30 off\n2027-02-11 holiday\n2027-03-01 off\n2027-03-01 work\n" + "x" * 1000)
    first, second, third, fourth = [f"{item.field}: {item.problem}" for item in caught.value.problems]
    assert first == "line 1: there is no day 2027-02-30"
    assert "line 2: '2027-02-11 holiday' is no day; write it as `2027-02-13 work`" in second
    assert third == "line 4: 2027-03-01 is named as a day off and as a working day; leave one out"
    assert len(fourth) < 200


def test_of_very_many_wrong_lines_the_first_are_named_and_the_others_counted() -> None:
    with pytest.raises(InvalidError) as caught:
        parse_exceptions("x\n" * 5000)
    assert len(caught.value.problems) == 20
    assert "4981 more" in caught.value.problems[-1].problem


def test_more_exceptions_than_a_century_needs_are_refused() -> None:
    days = (date(2027, 1, 1) + timedelta(days=number) for number in range(2001))
    with pytest.raises(InvalidError, match="it names 2001 days; at most 2000"):
        parse_exceptions("\n".join(f"{day} off" for day in days))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "names no hours"),
        ("22:00-06:00", "passes midnight"),
        ("07:30-12:00, 11:30-17:00", "overlap"),
        ("half past seven", "is no span of hours"),
    ],
)
def test_hours_that_are_no_office_hours_are_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_office_hours(text)


def test_a_country_whose_holidays_nobody_knows_is_refused() -> None:
    assert known_country("VN") == "VN"
    with pytest.raises(ValueError, match="of 'XX' are not known"):
        known_country("XX")


@pytest.mark.parametrize(
    ("begin", "minutes", "end"),
    [
        ("2026-11-23T09:00", 30, "2026-11-23T09:30"),
        ("2026-11-23T11:20", 30, "2026-11-23T13:50"),
        ("2026-11-23T12:00", 30, "2026-11-23T14:00"),
        ("2026-11-23T16:50", 30, "2026-11-25T07:50"),  # the 24th is a public holiday
        ("2026-11-27T16:50", 30, "2026-11-30T07:50"),
        ("2027-02-03T17:00", 30, "2027-02-11T08:00"),
        ("2026-11-23T07:30", 450, "2026-11-23T17:00"),
        ("2026-11-23T07:30", 451, "2026-11-25T07:31"),
        ("2026-11-28T23:59", 0, "2026-11-30T07:30"),
    ],
)
def test_seconds_of_office_hours_pass_by_day_alone(begin: str, minutes: int, end: str) -> None:
    assert CALENDAR.after(at(begin), minutes * 60) == at(end)


@given(DAYS)
def test_the_next_working_day_is_the_first_after_a_day(day: date) -> None:
    following = CALENDAR.next_working_day(day)
    assert following > day
    assert CALENDAR.works_on(following)
    between = (day + timedelta(days=number) for number in range(1, (following - day).days))
    assert not any(map(CALENDAR.works_on, between))


@given(INSTANTS, st.integers(0, 100_000), st.integers(0, 100_000))
def test_time_of_office_hours_adds_up_and_passes_no_faster_than_time(instant: int, first: int, more: int) -> None:
    end = CALENDAR.after(instant, first + more)
    assert CALENDAR.after(CALENDAR.after(instant, first), more) in {end, CALENDAR.after(end, 0)}
    assert end >= instant + (first + more) * 1000


@given(INSTANTS)
def test_a_working_day_ends_with_its_hours_and_the_following_one_is_later(instant: int) -> None:
    this, following = CALENDAR.this_working_day(instant), CALENDAR.following_working_day(instant)
    assert instant < this <= following


def test_a_calendar_without_any_working_day_still_answers() -> None:
    off = frozenset(date(2026, 1, 1) + timedelta(days=number) for number in range(400))
    idle = WorkingCalendar(ZONE, exceptions=Exceptions(off))
    assert idle.working_day(date(2026, 3, 1)) == date(2026, 3, 1)
    assert idle.after(at("2026-03-01T12:00"), 60) > at("2026-03-01T12:00")
