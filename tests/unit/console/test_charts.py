"""The geometry of charts."""

from hypothesis import given
from hypothesis import strategies as st

from router.console.charts import LEVELS, LONG, TALL, bars, level, stretches, ticks
from router.ledger.queries import Span


@given(st.lists(st.none() | st.integers(0, 10**12), max_size=40))
def test_bars_stand_side_by_side_within_the_chart_and_the_largest_fills_it(values: list[int | None]) -> None:
    drawn = bars(values)
    assert len(drawn) == len(values)
    for number, (value, bar) in enumerate(zip(values, drawn, strict=True)):
        assert number <= bar.x < bar.x + bar.width <= number + 1
        assert 0 <= bar.y <= TALL
        assert abs(bar.y + bar.height - TALL) < 1e-6
        assert bool(value) == (bar.height > 0)
    if any(values):
        assert max(bar.height for bar in drawn) == TALL


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_only_nothing_has_no_shade_and_more_is_never_lighter(count: int, more: int) -> None:
    most = count + more
    assert (level(count, most) == 0) == (count == 0)
    assert level(count, most) <= level(most, most) <= LEVELS


@given(st.integers(0, 10**12), st.integers(1000, 10**10))
def test_stretches_lie_where_their_time_does_and_are_never_too_thin_to_see(since: int, length: int) -> None:
    span = Span(since, since + length, since + length)
    whole, some = stretches([(since, since + length, length), (since + length // 2, since + length // 2 + 1, 0)], span)
    assert (whole.x, whole.width, whole.whole) == (0, LONG, True)
    assert abs(some.x - LONG / 2) <= 1
    (last,) = stretches([(since + length - 1, since + length, 1)], span)
    assert last.x + last.width <= LONG
    assert some.width > 0
    assert not some.whole


def test_ticks_divide_a_span_with_its_ends() -> None:
    assert ticks(Span(0, 80, 80)) == [0, 20, 40, 60, 80]
