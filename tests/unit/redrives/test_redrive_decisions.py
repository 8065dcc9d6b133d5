"""What a redrive does next, decided without a database."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.settings import GatewaySettings
from consumers.sinks.guard import RetryPolicy, schedule
from router.errors import ActRefusedError
from router.ledger.redrives.decisions import (
    BATCH,
    WINDOW,
    Course,
    JobAct,
    JobState,
    Move,
    Outcome,
    Pace,
    Tally,
    after_act,
    decide,
    first_allowed,
    settle,
    settle_late,
)
from schemas.retry import WATCH_SECONDS, longest_until_parked
from schemas.states import UNDELIVERED, Status

W = JobState
ENDS = st.sampled_from([Outcome.ARRIVED, Outcome.UNDER_WAY, Outcome.RECALLED])


def tally(**counts: int) -> Tally:
    return Tally({Outcome(name): number for name, number in counts.items()})


def course(
    pace: Pace, allowed: int, total: int, state: JobState = W.RUNNING, *, send_at: int = 0, per_minute: int = 0
) -> Course:
    return Course(state, pace, allowed, total, send_at, per_minute)


def move(now: Course, counted: Tally, failure: str = "", now_ms: int = 0) -> Move:
    return decide(now, counted, failure=failure, now_ms=now_ms)


def test_a_canary_sends_one_then_ten_then_the_rest_each_when_those_before_are_settled() -> None:
    assert first_allowed(Pace.CANARY, 500) == 1
    assert move(course(Pace.CANARY, 1, 500), tally(waiting=500)).send == 1
    assert move(course(Pace.CANARY, 1, 500), tally(waiting=499, watched=1)).send == 0
    ten = move(course(Pace.CANARY, 1, 500), tally(waiting=499, arrived=1))
    assert (ten.allowed, ten.send) == (11, 10)
    assert move(course(Pace.CANARY, 11, 500), tally(waiting=489, arrived=10, watched=1)).send == 0
    rest = move(course(Pace.CANARY, 11, 500), tally(waiting=489, arrived=10, under_way=1))
    assert (rest.allowed, rest.send) == (500, BATCH)


def test_by_hand_one_is_one_and_a_person_says_how_many_follow() -> None:
    one = course(Pace.HAND, first_allowed(Pace.HAND, 30), 30)
    assert move(one, tally(waiting=30)).send == 1
    assert move(one, tally(waiting=29, watched=1)) == Move(W.RUNNING, 1, 0, "")
    waits = move(one, tally(waiting=29, arrived=1))
    assert (waits.state, waits.send) == (W.WAITING, 0)
    ten = after_act(course(Pace.HAND, 1, 30, W.WAITING), tally(waiting=29, arrived=1), JobAct.TEN)
    assert (ten.state, ten.allowed) == (W.RUNNING, 11)
    assert after_act(course(Pace.HAND, 11, 30, W.WAITING), tally(waiting=19, arrived=11), JobAct.REST).allowed == 30


@pytest.mark.parametrize("pace", list(Pace))
def test_the_first_failure_stops_any_pace_with_its_reason(pace: Pace) -> None:
    stopped = move(course(pace, 50, 50, per_minute=60), tally(waiting=40, watched=9, failed=1), failure="LCA.02: full")
    assert (stopped.state, stopped.send, stopped.note) == (W.STOPPED, 0, "LCA.02: full")
    again = after_act(course(pace, 50, 50, W.STOPPED), tally(waiting=40, failed=1), JobAct.RESUME)
    assert (again.state, again.note) == (W.RUNNING, "")


def test_a_paused_redrive_sends_nothing_and_an_ended_one_takes_no_act_but_its_own_end() -> None:
    assert move(course(Pace.ALL, 9, 9, W.PAUSED), tally(waiting=9)).send == 0
    for state in (W.DONE, W.CANCELLED):
        with pytest.raises(ActRefusedError):
            after_act(course(Pace.ALL, 9, 9, state), tally(waiting=9), JobAct.RESUME)
    ended = course(Pace.ALL, 9, 9, W.CANCELLED)
    assert after_act(ended, tally(waiting=9), JobAct.CANCEL).state is W.CANCELLED


def test_a_redrive_is_done_when_nothing_is_left_to_send_or_to_watch() -> None:
    assert move(course(Pace.ALL, 3, 3), tally(arrived=2, skipped=1)).state is W.DONE
    assert move(course(Pace.ALL, 3, 3), tally(arrived=2, watched=1)).state is W.RUNNING


@given(state=st.sampled_from(list(Status)), failures=st.integers(0, 3), age=st.integers(0, 200))
def test_only_what_comes_back_or_is_never_taken_by_the_broker_is_a_failure(
    state: Status, failures: int, age: int
) -> None:
    found = settle(state, failures=failures, sent_at=0, now_ms=age, watch_ms=100)
    came_back = state in {Status.PARKED, Status.EXPIRED}
    not_taken = state is Status.REDRIVEN and failures > 0 and age >= 100
    assert (found is Outcome.FAILED) == (came_back or not_taken)
    assert (found is Outcome.WATCHED) == (state in UNDELIVERED and age < 100)


def test_a_clock_that_goes_back_holds_no_redrive_up() -> None:
    day = 86_400_000
    steady = course(Pace.RATE, 9, 9, send_at=day + 1000, per_minute=60)
    assert move(steady, tally(waiting=9), now_ms=day).send == 0
    back = move(steady, tally(waiting=9), now_ms=0)
    assert (back.send, back.send_at) == (1, 1000)
    watched = {"failures": 0, "sent_at": day, "watch_ms": 60_000}
    assert settle(Status.QUEUED, now_ms=day - 1000, **watched) is Outcome.WATCHED
    assert settle(Status.QUEUED, now_ms=0, **watched) is Outcome.UNDER_WAY


@given(
    pace=st.sampled_from([Pace.CANARY, Pace.RATE, Pace.ALL]),
    total=st.integers(1, 600),
    per_minute=st.integers(1, 6000),
    ends=st.lists(ENDS, min_size=1, max_size=5),
)
def test_every_redrive_without_failures_sends_each_once_and_ends(
    pace: Pace, total: int, per_minute: int, ends: list[Outcome]
) -> None:
    now, sent = 0, 0
    stands = course(pace, first_allowed(pace, total), total, per_minute=per_minute)
    counts = Counter({Outcome.WAITING: total})
    for turn in range(5 * total + 20):
        made = move(stands, Tally(dict(counts)), now_ms=now)
        if made.state is W.DONE:
            break
        assert made.send <= min(BATCH, WINDOW, counts[Outcome.WAITING])
        sent += made.send
        counts[Outcome.WAITING] -= made.send
        counts[ends[turn % len(ends)]] += counts.pop(Outcome.WATCHED, 0)
        counts[Outcome.WATCHED] = made.send
        stands = course(pace, made.allowed, total, made.state, send_at=made.send_at, per_minute=per_minute)
        now = max(now + 500, made.send_at if pace is Pace.RATE else 0)
        if pace is Pace.RATE:
            assert sent <= 2 + per_minute * now / 60_000 + per_minute // 120
    assert sent == total
    assert counts[Outcome.WAITING] == counts[Outcome.WATCHED] == 0


def test_the_watch_covers_what_a_gateway_needs_to_park_by_its_own_defaults() -> None:
    needed = sum(schedule(RetryPolicy.of(GatewaySettings())))
    assert needed == longest_until_parked() == 363
    assert needed + 60 <= WATCH_SECONDS < needed + 120


@given(state=st.sampled_from(list(Status)))
def test_after_the_watch_only_what_came_back_is_a_failure(state: Status) -> None:
    found = settle_late(state)
    assert (found is Outcome.FAILED_LATER) == (state in {Status.PARKED, Status.EXPIRED})
    assert (found is Outcome.UNDER_WAY) == (state in UNDELIVERED)
