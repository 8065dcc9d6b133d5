"""When a document would be there: by the courier's order, the line's rate and its hours, never the wrong way round."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from router.planning.arrival import Ahead, PendingDocument, ahead_of, arrival
from schemas.dispatch import Lane, lane_of
from schemas.opening import Hours, Windows, is_open, parse_opening

HERE = "Asia/Ho_Chi_Minh"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC) - timedelta(hours=7)
EVENING = parse_opening("18:00-21:00")
FAR = timedelta(days=90)
RATE = 4000.0

pieces = st.builds(PendingDocument, st.integers(0, 4), st.integers(0, 5_000_000))
backlogs = st.lists(pieces, max_size=8)
spans = st.tuples(st.integers(0, 1439), st.integers(1, 1440)).filter(lambda pair: pair[0] != pair[1])
some_windows = st.lists(spans, max_size=2).map(lambda pairs: tuple(Hours(*pair) for pair in pairs))
moments = st.integers(0, 30 * 24 * 60).map(lambda minutes: NOON + timedelta(minutes=minutes))


def when(
    own: PendingDocument,
    backlog: list[PendingDocument],
    windows: Windows = (),
    *,
    now: datetime = NOON,
    rate: float = RATE,
    within: timedelta = FAR,
) -> datetime:
    """When it arrives; what is too late is as late as can be."""
    found = arrival(own, backlog, rate=rate, windows=windows, zone=HERE, now=now, until=now + within)
    return found or datetime.max.replace(tzinfo=UTC)


def test_an_idle_line_takes_the_bytes_at_its_rate() -> None:
    assert when(PendingDocument(0, 40_000), []) == NOON + timedelta(seconds=10)
    assert when(PendingDocument(0, 0), []) == NOON


def test_what_is_more_urgent_comes_first_and_what_is_less_urgent_does_not_count() -> None:
    backlog = [PendingDocument(3, 4000), PendingDocument(1, 8000), PendingDocument(0, 400_000)]
    assert when(PendingDocument(2, 4000), backlog) == NOON + timedelta(seconds=2)
    assert when(PendingDocument(1, 9000), backlog) == NOON + timedelta(seconds=(4000 + 8000 + 9000) / RATE)


def test_in_its_class_the_smaller_comes_first_and_the_largest_gets_its_share() -> None:
    assert ahead_of(PendingDocument(0, 100), [PendingDocument(0, 100), PendingDocument(0, 101)]) == Ahead(
        normal=100 + 40
    )
    assert ahead_of(PendingDocument(0, 100), [PendingDocument(0, 5000)]) == Ahead(normal=20)
    assert ahead_of(PendingDocument(0, 1000), [PendingDocument(0, 900)] * 100) == Ahead(normal=5000), (
        "it is the largest, and is paid"
    )


def test_outside_of_the_hours_only_what_is_urgent_arrives() -> None:
    at_six = NOON + timedelta(hours=6)
    assert when(PendingDocument(1, 4000), [], EVENING) == at_six + timedelta(seconds=1)
    assert when(PendingDocument(2, 4000), [], EVENING) == NOON + timedelta(seconds=1)


def test_what_does_not_fit_into_the_hours_goes_on_the_next_day() -> None:
    four_hours = PendingDocument(0, int(RATE) * 4 * 3600)
    assert when(four_hours, [], EVENING) == NOON + timedelta(hours=6 + 24 + 1)
    assert when(PendingDocument(0, int(RATE) * 3 * 3600), [], EVENING) == NOON + timedelta(hours=9), (
        "to the last second"
    )


def test_what_is_urgent_does_not_use_up_the_hours_before_they_begin() -> None:
    backlog = [PendingDocument(3, int(RATE) * 5 * 3600)]
    assert when(PendingDocument(0, 4000), backlog, EVENING) == NOON + timedelta(hours=6, seconds=1)


def test_what_takes_too_long_is_said_to_be_never() -> None:
    with_little_time = timedelta(seconds=9)
    own = PendingDocument(0, 40_000)
    assert arrival(own, [], rate=RATE, windows=(), zone=HERE, now=NOON, until=NOON + with_little_time) is None
    assert arrival(own, [], rate=RATE, windows=EVENING, zone=HERE, now=NOON, until=NOON + timedelta(hours=6)) is None
    assert arrival(own, [], rate=1e-9, windows=EVENING, zone=HERE, now=NOON, until=NOON + FAR) is None
    assert arrival(PendingDocument(4, 1), [], rate=1e-9, windows=(), zone=HERE, now=NOON, until=NOON + FAR) is None


@given(own=pieces, backlog=backlogs, more=pieces, windows=some_windows, now=moments)
def test_more_on_its_way_is_never_earlier(
    own: PendingDocument, backlog: list[PendingDocument], more: PendingDocument, windows: Windows, now: datetime
) -> None:
    assert when(own, [*backlog, more], windows, now=now) >= when(own, backlog, windows, now=now)


@given(own=pieces, backlog=backlogs, grown=st.integers(0, 1_000_000), windows=some_windows, now=moments)
def test_a_larger_document_is_never_earlier(
    own: PendingDocument, backlog: list[PendingDocument], grown: int, windows: Windows, now: datetime
) -> None:
    assert when(PendingDocument(own.urgency, own.size + grown), backlog, windows, now=now) >= when(
        own, backlog, windows, now=now
    )


@given(size=st.integers(0, 5_000_000), backlog=backlogs, windows=some_windows, now=moments)
def test_higher_urgency_is_never_later(
    size: int, backlog: list[PendingDocument], windows: Windows, now: datetime
) -> None:
    times = [when(PendingDocument(urgency, size), backlog, windows, now=now) for urgency in range(5)]
    assert times == sorted(times, reverse=True)


@given(own=pieces, backlog=backlogs, windows=some_windows, now=moments, faster=st.floats(1, 100))
def test_a_faster_line_is_never_later(
    own: PendingDocument, backlog: list[PendingDocument], windows: Windows, now: datetime, faster: float
) -> None:
    slow, fast = (when(own, backlog, windows, now=now, rate=rate) for rate in (RATE, RATE * faster))
    assert fast <= slow + timedelta(microseconds=1)


@given(own=pieces, backlog=backlogs, windows=some_windows, now=moments)
def test_what_keeps_to_the_hours_is_complete_while_the_line_is_open(
    own: PendingDocument, backlog: list[PendingDocument], windows: Windows, now: datetime
) -> None:
    assume(lane_of(own.urgency) is Lane.NORMAL and own.size > 0)
    at = when(own, backlog, windows, now=now)
    assume(at.year < 9999)
    assert is_open(windows, at - timedelta(microseconds=1), HERE), "its last byte came before the hours ended"
    assert at - now >= timedelta(seconds=(own.size - 1) / RATE)


@pytest.mark.parametrize("hours", ["00:00-24:00", "00:00-12:00, 12:00-24:00"])
def test_hours_that_never_end_are_no_hours(hours: str) -> None:
    own = PendingDocument(0, 400_000_000)
    assert when(own, [], parse_opening(hours)) == when(own, [])
