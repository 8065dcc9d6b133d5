"""Which numbers have come and which miss: runs against plain sets."""

from hypothesis import given
from hypothesis import strategies as st

from router.rules.number_ranges import MOST_RUNS, Received, read, write

batches = st.lists(st.lists(st.integers(1, 60), max_size=20), max_size=8)


def numbers(runs: tuple[tuple[int, int], ...]) -> set[int]:
    return {number for first, last in runs for number in range(first, last + 1)}


def after(parts: list[list[int]]) -> Received:
    received = Received()
    for part in parts:
        received = received.and_also(part)
    return received


@given(parts=batches, told=st.integers(0, 70), above=st.integers(0, 70))
def test_what_misses_is_what_was_given_and_has_not_come(parts: list[list[int]], told: int, above: int) -> None:
    received, came = after(parts), {number for part in parts for number in part}
    highest = max(told, *came) if came else told
    expected = {number for number in range(above + 1, highest + 1) if number not in came}
    assert numbers(received.missing(above=above, told=highest)) == expected


@given(parts=batches)
def test_runs_are_in_order_do_not_touch_and_stand_above_what_is_complete(parts: list[list[int]]) -> None:
    received = after(parts)
    edges = [received.through, *(edge for run in received.ahead for edge in run)]
    assert edges == sorted(edges)
    assert all(first > last + 1 for last, first in zip(edges[0::2], edges[1::2], strict=False))
    assert received.through == next(number for number in range(100) if number + 1 not in {n for p in parts for n in p})


@given(parts=batches, data=st.data())
def test_neither_order_nor_repetition_matters(parts: list[list[int]], data: st.DataObject) -> None:
    again = data.draw(st.permutations(parts + parts))
    assert after(list(again)) == after(parts)


@given(parts=batches)
def test_runs_survive_being_written(parts: list[list[int]]) -> None:
    ahead = after(parts).ahead
    assert read(write(ahead)) == ahead


def test_runs_are_written_short() -> None:
    assert write(((7, 9), (12, 12))) == "7-9,12"
    assert read("") == ()


def test_what_is_kept_is_bounded_and_what_is_forgotten_misses() -> None:
    received = Received().and_also(range(2, 10_000, 2))
    assert len(received.ahead) == MOST_RUNS
    assert len(received.missing(above=0, told=9998)) == MOST_RUNS + 1
    assert received.missing(above=0, told=9998)[-1] == (2 * MOST_RUNS + 1, 9998)


@given(st.sets(st.integers(1, 40)), st.integers(0, 40), st.integers(0, 40))
def test_up_to_a_number_everything_counts_as_come(numbers: set[int], through: int, number: int) -> None:
    received = Received(through).and_also(numbers).up_to(number)
    assert all(received.holds(item) == (item <= max(through, number) or item in numbers) for item in range(1, 42))
