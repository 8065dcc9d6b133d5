"""What is fetched first: the pure order, checked as rules."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.fetching.order import QUANTUM, Share, Waiter, WaitingContent, account, choose, seconds_left
from schemas.fetch_order import SMALL_PER_LARGE, bytes_before

jobs = st.lists(
    st.builds(
        WaitingContent,
        key=st.uuids().map(str),
        urgency=st.integers(0, 4),
        remaining=st.integers(0, 10**8),
        since=st.integers(0, 99),
    ),
    unique_by=lambda job: job.key,
    max_size=30,
)
shares = st.builds(Share, credit=st.integers(0, 10**6), paying=st.booleans())
slots = st.integers(1, 6)


@given(jobs, slots, shares)
def test_no_slot_is_idle_while_something_of_the_most_urgent_class_waits(
    waiting: list[WaitingContent], slots: int, share: Share
) -> None:
    top = [job for job in waiting if job.urgency == max(other.urgency for other in waiting)]
    assert len(choose(waiting, slots=slots, share=share).keys) == min(slots, len(top))


@given(jobs, slots, shares)
def test_nothing_is_fetched_while_something_more_urgent_is(
    waiting: list[WaitingContent], slots: int, share: Share
) -> None:
    chosen = choose(waiting, slots=slots, share=share).keys
    urgencies = {job.urgency for job in waiting if job.key in chosen}
    assert urgencies == ({max(job.urgency for job in waiting)} if waiting else set())


@given(jobs, slots)
def test_the_smallest_go_first_as_long_as_the_largest_has_earned_nothing(
    waiting: list[WaitingContent], slots: int
) -> None:
    choice = choose(waiting, slots=slots, share=Share())
    chosen = [job.remaining for job in waiting if job.key in choice.keys]
    passed_over = [
        job.remaining
        for job in waiting
        if job.key not in choice.keys and job.urgency == max(other.urgency for other in waiting)
    ]
    assert not chosen or not passed_over or max(chosen) <= min(passed_over)


@given(jobs, slots)
def test_the_largest_has_a_slot_while_it_is_being_paid(waiting: list[WaitingContent], slots: int) -> None:
    choice = choose(waiting, slots=slots, share=Share(credit=1, paying=True))
    assert choice.largest is None or choice.largest in choice.keys


@given(jobs, slots, shares)
def test_the_order_does_not_depend_on_the_order_of_asking(
    waiting: list[WaitingContent], slots: int, share: Share
) -> None:
    backwards = choose(waiting[::-1], slots=slots, share=share)
    assert choose(waiting, slots=slots, share=share) == backwards


@given(st.integers(0, 2**32), st.integers(1, QUANTUM))
def test_a_large_file_gets_a_sixth_of_the_bytes_however_many_small_ones_keep_coming(seed: int, largest: int) -> None:
    chunks = Random(seed)
    large, share, small_bytes, large_bytes = WaitingContent("large", 0, 10**9, 0), Share(), 0, 0
    for number in range(300):
        chunk = chunks.randint(1, largest)
        small = WaitingContent(f"small {number}", 0, 1000, number)
        choice = choose([large, small], slots=1, share=share)
        is_large = choice.keys == {"large"}
        share = account(share, chunk, for_largest=is_large)
        large_bytes += chunk if is_large else 0
        small_bytes += 0 if is_large else chunk
    assert large_bytes >= small_bytes / SMALL_PER_LARGE - 2 * QUANTUM
    assert large_bytes <= small_bytes / SMALL_PER_LARGE + 2 * QUANTUM


@given(st.lists(st.tuples(st.integers(0, 10**6), st.booleans())))
def test_what_can_be_owed_to_the_largest_is_bounded(steps: list[tuple[int, bool]]) -> None:
    share = Share()
    for count, for_largest in steps:
        share = account(share, count, for_largest=for_largest)
        assert abs(share.credit) <= 2 * QUANTUM * SMALL_PER_LARGE


SIZES = {name: 37 * number**3 for number, name in enumerate("abcdefgh")}
contents = st.sets(st.sampled_from(sorted(SIZES)), max_size=4).map(lambda names: {name: SIZES[name] for name in names})
documents = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5), contents), max_size=12).map(
    lambda rows: [Waiter(str(key), urgency, since, left) for key, (urgency, since, left) in enumerate(rows)]
)


@given(documents, st.floats(1, 10_000))
def test_the_last_document_is_there_when_every_content_has_come_once(waiting: list[Waiter], rate: float) -> None:
    names = {name for item in waiting for name in item.left}
    times = seconds_left(waiting, rate)
    assert set(times) == {item.key for item in waiting}
    assert max(times.values(), default=0) == pytest.approx(sum(SIZES[name] for name in names) / rate)


@given(documents, documents)
def test_nothing_waits_for_what_is_less_urgent(waiting: list[Waiter], more: list[Waiter]) -> None:
    lesser = [replace(item, key=f"more {item.key}", urgency=0) for item in more]
    urgent = [replace(item, urgency=max(item.urgency, 1)) for item in waiting]
    alone, together = seconds_left(urgent, 100.0), seconds_left(urgent + lesser, 100.0)
    assert {key: together[key] for key in alone} == alone


def test_among_equals_the_smallest_comes_first_and_an_unknown_rate_promises_nothing() -> None:
    large, small = Waiter("large", 0, 1, {"a": 9_000}), Waiter("small", 0, 2, {"b": 1_000})
    assert seconds_left([large, small], 1_000) == {"small": 1.0, "large": 10.0}
    assert seconds_left([large, small], 0) == {}


@given(own=st.integers(1, 400), other=st.integers(1, 400))
def test_the_plan_counts_the_bytes_that_the_gateway_fetches_first(own: int, other: int) -> None:
    step = QUANTUM // 16
    left = {str(number): size * step for number, size in enumerate([other, own])}
    mine, share, before = "1", Share(), 0
    while mine in left:
        choice = choose([WaitingContent(key, 0, size, int(key)) for key, size in left.items()], slots=1, share=share)
        (key,) = choice.keys
        if choice.largest is not None:
            share = account(share, step, for_largest=key == choice.largest)
        before += step if key != mine else 0
        left[key] -= step
        if not left[key]:
            del left[key]
    planned = bytes_before(own * step, [other * step])
    assert abs(before - planned) <= QUANTUM
