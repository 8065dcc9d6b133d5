"""Hours of the day at which a line is open: read, asked, and when the next ones come, summer time or not."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.opening import MAX_HOURS, Hours, Opening, Windows, is_open, next_closing, next_opening, parse_opening

HERE = "Asia/Ho_Chi_Minh"
SUMMER_TIME = "Europe/Berlin"
EVENING = parse_opening("18:00-21:00")
NIGHT = parse_opening("21:00-06:00")


def at(text: str, offset: int = 7) -> datetime:
    return datetime.fromisoformat(f"{text}+{offset:02}:00")


def minutes_until_open(windows: Windows, instant: datetime, zone: str) -> int:
    """Minute by minute, as slowly as it is sure."""
    start = instant.astimezone(UTC)
    return next(number for number in range(3 * 24 * 60) if is_open(windows, start + timedelta(minutes=number), zone))


def test_hours_are_open_from_their_first_minute_until_before_their_last() -> None:
    asked = {
        clock: is_open(EVENING, at(f"2026-11-22T{clock}"), HERE) for clock in ("17:59:59", "18:00", "20:59:59", "21:00")
    }
    assert asked == {"17:59:59": False, "18:00": True, "20:59:59": True, "21:00": False}


def test_hours_past_midnight_hold_on_both_sides_of_it() -> None:
    asked = {
        clock: is_open(NIGHT, at(f"2026-11-22T{clock}"), HERE)
        for clock in ("20:59", "21:00", "00:00", "05:59", "06:00")
    }
    assert [hour for hour, open_ in asked.items() if open_] == ["21:00", "00:00", "05:59"]


def test_a_line_without_hours_is_always_open() -> None:
    instant = at("2026-11-22T12:00")
    assert is_open((), instant, HERE)
    assert next_opening((), instant, HERE) == instant


def test_the_clock_is_the_zones_whatever_the_instants_own_offset() -> None:
    assert is_open(EVENING, at("2026-11-22T11:30", offset=0), HERE)
    assert next_opening(EVENING, at("2026-11-22T04:00", offset=0), HERE) == at("2026-11-22T18:00")


def test_the_next_hours_are_todays_or_tomorrows() -> None:
    assert next_opening(EVENING, at("2026-11-22T08:00"), HERE) == at("2026-11-22T18:00")
    assert next_opening(EVENING, at("2026-11-22T19:15"), HERE) == at("2026-11-22T19:15")
    assert next_opening(EVENING, at("2026-11-22T21:00"), HERE) == at("2026-11-23T18:00")
    assert next_opening(parse_opening("18:00-21:00, 05:00-06:00"), at("2026-11-22T22:00"), HERE) == at(
        "2026-11-23T05:00"
    )


def test_a_line_that_is_open_closes_when_its_hours_end() -> None:
    assert next_closing(EVENING, at("2026-11-22T19:15"), HERE) == at("2026-11-22T21:00")
    assert next_closing(NIGHT, at("2026-11-22T22:00"), HERE) == at("2026-11-23T06:00")
    assert next_closing(parse_opening("20:00-24:00, 00:00-05:00"), at("2026-11-22T22:00"), HERE) == at(
        "2026-11-23T05:00"
    )
    assert next_closing((), at("2026-11-22T22:00"), HERE) is None
    assert next_closing(parse_opening("00:00-24:00"), at("2026-11-22T22:00"), HERE) is None


@pytest.mark.parametrize(
    ("hours", "asked", "opens"),
    [
        ("02:30-04:00", "2026-03-29T00:30", "2026-03-29T01:00"),
        ("02:15-02:45", "2026-03-29T00:30", "2026-03-30T00:15"),
        ("02:15-02:45", "2026-10-25T00:45", "2026-10-25T01:15"),
        ("01:50-02:20", "2026-10-25T00:30", "2026-10-25T01:00"),
        ("18:00-21:00", "2026-03-28T20:30", "2026-03-29T16:00"),
    ],
    ids=["begin left out", "left out whole", "twice", "set back into them", "the offset changes in between"],
)
def test_summer_time_neither_loses_hours_nor_moves_them(hours: str, asked: str, opens: str) -> None:
    assert next_opening(parse_opening(hours), at(asked, offset=0), SUMMER_TIME) == at(opens, offset=0)


spans = st.tuples(st.integers(0, 1439), st.integers(1, 1440)).filter(lambda pair: pair[0] != pair[1])
some_windows = st.lists(spans, min_size=1, max_size=3).map(lambda pairs: tuple(Hours(*pair) for pair in pairs))
around_changes = st.one_of(
    st.integers(0, 3 * 24 * 60).map(lambda minute: datetime(2026, 3, 27, 12, tzinfo=UTC) + timedelta(minutes=minute)),
    st.integers(0, 3 * 24 * 60).map(lambda minute: datetime(2026, 10, 23, 12, tzinfo=UTC) + timedelta(minutes=minute)),
)


@given(some_windows, around_changes, st.sampled_from([HERE, SUMMER_TIME, "Australia/Lord_Howe"]))
def test_the_next_opening_is_the_first_minute_at_which_it_is_open(
    windows: Windows, instant: datetime, zone: str
) -> None:
    opening = next_opening(windows, instant, zone)
    assert opening.astimezone(UTC) - instant == timedelta(minutes=minutes_until_open(windows, instant, zone))


@given(some_windows, around_changes, st.sampled_from([HERE, SUMMER_TIME, "Australia/Lord_Howe"]))
def test_a_line_that_is_open_closes_at_the_first_minute_at_which_it_is_not(
    windows: Windows, instant: datetime, zone: str
) -> None:
    instant = next_opening(windows, instant, zone)
    minutes = (instant + timedelta(minutes=number) for number in range(1, 2 * 24 * 60))
    assert next_closing(windows, instant, zone) == next((at for at in minutes if not is_open(windows, at, zone)), None)


@given(some_windows)
def test_hours_are_read_as_they_are_written(windows: Windows) -> None:
    assert parse_opening(", ".join(map(str, windows))) == windows


def test_the_text_is_kept_in_one_form() -> None:
    reader = TypeAdapter(Opening)
    assert reader.validate_python(" 18:00 - 21:00,05:00-24:00 ") == "18:00-21:00, 05:00-24:00"
    assert reader.validate_python("  ") == ""


@pytest.mark.parametrize(
    "text", ["18-21", "18:00", "24:00-06:00", "18:00-18:00", "18:60-19:00", "18:00-21:00,", "6:00-7:00"]
)
def test_what_are_no_hours_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValidationError, match=r"18:00-21:00|leave the hours out"):
        TypeAdapter(Opening).validate_python(text)


def test_more_spans_than_anybody_needs_are_refused() -> None:
    with pytest.raises(ValidationError, match="at most 12"):
        TypeAdapter(Opening).validate_python(",".join(["18:00-21:00"] * (MAX_HOURS + 1)))
