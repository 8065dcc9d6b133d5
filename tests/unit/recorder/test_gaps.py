"""A number that is missing is published once in a while, however often it is asked for."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from router.delivery.gaps import _MOST, EVERY_MS, Gaps


@given(st.lists(st.tuples(st.integers(0, 3 * EVERY_MS), st.lists(st.integers(1, 9), max_size=30)), max_size=30))
def test_no_number_is_answered_twice_in_an_interval(asked: list[tuple[int, list[int]]]) -> None:
    gaps, answered = Gaps(), dict[int, list[int]]()
    for now, missing in sorted(asked):
        fresh = gaps.fresh("LCA.02", missing, now)
        assert len(set(fresh)) == len(fresh)
        gaps.answered("LCA.02", fresh, now)
        for seq in fresh:
            answered.setdefault(seq, []).append(now)
        assert all(answered[seq] for seq in missing), "each was answered once at least"
    for times in answered.values():
        assert all(later - earlier >= EVERY_MS for earlier, later in pairwise(times))


def test_what_is_remembered_is_bounded() -> None:
    gaps = Gaps()
    for unit in range(100):
        gaps.answered(f"LCA.{unit}", range(1000), unit)
    assert len(gaps._answered) == _MOST
    assert gaps.fresh("LCA.99", [1], 100) == ()
