"""Times with their offset, ids that sort by age, traces that stay one trace."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.clock import Day, Moment, iso, now_ms, start_of_day, to_ms
from schemas.ids import new_id
from schemas.trace import child_of, is_traceparent, new_traceparent, trace_id

DAY: TypeAdapter[object] = TypeAdapter(Day)
MOMENT: TypeAdapter[object] = TypeAdapter(Moment)


@given(st.integers(0, 4_000_000_000_000))
def test_a_stored_time_is_shown_to_the_millisecond(ms: int) -> None:
    assert to_ms(datetime.fromisoformat(iso(ms))) == ms
    assert iso(ms).endswith("Z")


def test_a_time_without_offset_names_no_instant() -> None:
    with pytest.raises(ValueError, match="offset"):
        to_ms(datetime(2026, 11, 22))  # noqa: DTZ001 - the very mistake


@pytest.mark.parametrize("text", ["2026-11-22T05:04:03Z", "2026-11-22T05:04:03.123+07:00"])
def test_an_instant_is_read_in_its_one_form(text: str) -> None:
    assert MOMENT.validate_python(text) == datetime.fromisoformat(text)


@pytest.mark.parametrize("wrong", [0, 1.5, "0", "2026-11-22", "2026-11-22 05:04Z", "20261122T050403Z", None, True])
def test_no_number_and_no_other_form_is_an_instant_or_a_day(wrong: object) -> None:
    with pytest.raises(ValidationError, match="has to be written as"):
        MOMENT.validate_python(wrong)
    if wrong != "2026-11-22":
        with pytest.raises(ValidationError, match="has to be written as"):
            DAY.validate_python(wrong)


def test_later_ids_sort_after_earlier_ones() -> None:
    made = [new_id() for _ in range(1000)]
    assert made == sorted(made)
    assert len(set(made)) == 1000


@pytest.mark.parametrize(
    ("zone", "began"),
    [
        ("Asia/Ho_Chi_Minh", datetime(2026, 3, 29, 17, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 3, 29, 22, tzinfo=UTC)),  # the day after its clocks went on by an hour
    ],
)
def test_a_day_begins_at_its_zones_midnight(zone: str, began: datetime) -> None:
    assert start_of_day(to_ms(datetime(2026, 3, 30, 12, tzinfo=UTC)), zone) == to_ms(began)


def test_now_is_now() -> None:
    before = datetime.now(UTC)
    assert abs(now_ms() - to_ms(before)) < 60_000


def test_a_child_stays_in_its_trace_and_has_a_span_of_its_own() -> None:
    parent = new_traceparent()
    child = child_of(parent)
    assert is_traceparent(child)
    assert trace_id(child) == trace_id(parent)
    assert child != parent
    assert child[-2:] == parent[-2:]


GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    "bad",
    [
        *("", "x", GOOD.upper(), GOOD + "-x", GOOD + "\n", "01" + GOOD[2:]),
        f"00-{'0' * 32}-{'1' * 16}-01",
        f"00-{'1' * 32}-{'0' * 16}-01",
    ],
)
def test_what_is_no_traceparent_begins_a_new_trace(bad: str) -> None:
    assert not is_traceparent(bad)
    assert trace_id(bad) == ""
    assert is_traceparent(child_of(bad))
