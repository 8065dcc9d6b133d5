"""What the line gives, and the window that follows from it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.line.pace import FAST, FIRST_WINDOW, LARGEST_WINDOW, LinePace, wider


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def flow(pace: LinePace, clock: Clock, rate: float, *, seconds: float = 5.0, chunk: int = 1448) -> None:
    for _ in range(round(seconds * rate / chunk)):
        clock.now += chunk / rate
        pace.moved(chunk)


def test_a_thin_line_keeps_its_small_window() -> None:
    clock = Clock()
    pace = LinePace(clock=clock)
    pace.round_trip_is(0.23)
    flow(pace, clock, 4_035, seconds=60)
    assert pace.rate == pytest.approx(4_035, rel=0.1)
    assert (pace.fast, pace.window) == (False, FIRST_WINDOW)


def test_a_fast_line_is_known_after_a_moment_and_has_no_window() -> None:
    clock = Clock()
    pace = LinePace(clock=clock)
    pace.round_trip_is(0.001)
    flow(pace, clock, 5_000_000, seconds=0.2)
    assert (pace.fast, pace.window) == (True, 0)


def test_a_long_line_that_the_window_holds_back_gets_a_wider_one() -> None:
    clock = Clock()
    pace = LinePace(clock=clock)
    pace.round_trip_is(0.6)
    flow(pace, clock, FIRST_WINDOW / 0.6, seconds=3)
    assert pace.window > FIRST_WINDOW


def test_a_pause_is_no_measure_of_the_line() -> None:
    clock = Clock()
    pace = LinePace(clock=clock)
    for _ in range(10):
        flow(pace, clock, 4_035, seconds=3)
        clock.now += 60
    assert pace.rate == pytest.approx(4_035, rel=0.1)


def test_what_was_known_before_is_used_from_the_first_byte() -> None:
    assert (LinePace(4_000).window, LinePace(FAST).window, LinePace(4_000).rate) == (FIRST_WINDOW, 0, 4_000)


def test_a_window_that_somebody_decided_on_stays() -> None:
    clock = Clock()
    pace = LinePace(fixed_window=5_000, clock=clock)
    flow(pace, clock, 5_000_000, seconds=0.5)
    assert (pace.fast, pace.window) == (True, 5_000)


@given(st.integers(1, LARGEST_WINDOW), st.floats(1, 1e9), st.floats(0, 10))
def test_a_window_only_grows_and_ends_as_none(window: int, rate: float, round_trip: float) -> None:
    after = wider(window, rate, round_trip)
    assert after == 0 or window <= after <= LARGEST_WINDOW
    assert wider(0, rate, round_trip) == 0
