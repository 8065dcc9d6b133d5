"""The state machine of a delivery: what may follow what, whatever order receipts come in."""

from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from schemas.errors import TransitionError
from schemas.states import (
    BY_PEOPLE,
    BY_UNIT,
    ENDED,
    NATIONAL_CODES,
    UNDELIVERED,
    WAITING_FOR_OPERATOR,
    Effect,
    Status,
    Step,
    follow,
    go_back,
    on_recall,
    require,
    steps_back,
)

S = Status
MACHINES = (S.QUEUED, S.TAKEN, S.ARRIVED, S.PARKED)
HANDLING = (S.REGISTERED, S.ASSIGNED, S.PROCESSING, S.COMPLETED)
CHANGE = (S.TAKE_BACK_REQUESTED, S.CHANGE_ACCEPTED, S.CHANGE_REFUSED)
CLOSED = frozenset({S.REFUSED, S.RECALLED})
"""From here nothing moves a delivery any more."""


def rank(state: Status) -> int:
    """How far a document has come: on the way, at the unit, in people's hands, closed."""
    order = [S.PENDING, S.QUEUED, S.TAKEN]
    if state in order:
        return order.index(state)
    if state is S.REDRIVEN:
        return 0
    if state in {S.PARKED, S.EXPIRED}:
        return 3
    if state in CLOSED:
        return 9
    return 4 if state is S.ARRIVED else 5


def moves(state: Status) -> set[Status]:
    return {status for status in Status if follow(state, status).effect is Effect.ADVANCE}


@given(st.sampled_from(Status), st.lists(st.sampled_from(MACHINES), max_size=30))
def test_no_order_of_machine_receipts_moves_a_delivery_backwards(start: Status, told: list[Status]) -> None:
    state = start
    for status in told:
        step = follow(state, status)
        assert step.effect is not Effect.REFUSED
        if step.effect is Effect.ADVANCE:
            assert rank(status) > rank(state)
            state = status


@given(st.permutations([S.QUEUED, S.TAKEN, S.ARRIVED] * 2))
def test_a_delivery_has_arrived_when_its_arrival_was_told_however_the_rest_came(told: list[Status]) -> None:
    state = S.PENDING
    for status in told:
        if follow(state, status).effect is Effect.ADVANCE:
            state = status
    assert state is S.ARRIVED


@pytest.mark.parametrize(
    ("state", "by_people"),
    [
        (S.ARRIVED, {S.REFUSED, S.REGISTERED}),
        (S.REGISTERED, {S.ASSIGNED, S.PROCESSING, S.COMPLETED}),
        (S.ASSIGNED, {S.PROCESSING, S.COMPLETED}),
        (S.PROCESSING, {S.COMPLETED}),
        (S.COMPLETED, set()),
        (S.REFUSED, set()),
        (S.RECALLED, set()),
        *((state, set()) for state in sorted(UNDELIVERED | WAITING_FOR_OPERATOR | {S.EXPIRED})),
    ],
)
def test_people_act_in_the_order_of_the_decision(state: Status, by_people: set[Status]) -> None:
    assert moves(state) & {S.REFUSED, *HANDLING} == by_people


@pytest.mark.parametrize("state", Status)
def test_a_recall_is_possible_from_any_state_but_refused(state: Status) -> None:
    expected = {S.REFUSED: Effect.REFUSED, S.RECALLED: Effect.STALE}.get(state, Effect.ADVANCE)
    assert follow(state, S.RECALLED).effect is expected


@pytest.mark.parametrize("state", [S.ARRIVED, *HANDLING])
def test_a_document_at_the_unit_may_be_asked_back_and_either_answer_is_possible(state: Status) -> None:
    assert S.TAKE_BACK_REQUESTED in moves(state)
    assert moves(S.TAKE_BACK_REQUESTED) == {S.CHANGE_ACCEPTED, S.CHANGE_REFUSED, S.RECALLED, S.REFUSED}


@given(state=st.sampled_from(Status), gone=st.booleans())
def test_a_recall_ends_what_is_in_hand_and_asks_back_what_the_unit_has(state: Status, *, gone: bool) -> None:
    outcome = on_recall(state, gone=gone)
    if state in UNDELIVERED | WAITING_FOR_OPERATOR | {S.EXPIRED}:
        assert outcome is (None if gone else S.RECALLED)
    else:
        assert outcome is (S.TAKE_BACK_REQUESTED if state in {S.ARRIVED, *HANDLING, S.CHANGE_REFUSED} else None)
    assert outcome is None or follow(state, outcome).effect is Effect.ADVANCE


@pytest.mark.parametrize(
    ("state", "before"),
    [
        (S.REGISTERED, {S.ARRIVED}),
        (S.ASSIGNED, {S.ARRIVED, S.REGISTERED}),
        (S.PROCESSING, {S.ARRIVED, S.REGISTERED, S.ASSIGNED}),
        (S.COMPLETED, {S.ARRIVED, S.REGISTERED, S.ASSIGNED, S.PROCESSING}),
        (S.REFUSED, {S.ARRIVED}),
        *((state, set()) for state in Status if state not in {*HANDLING, S.REFUSED}),
    ],
)
def test_only_what_people_did_can_be_undone_and_leads_to_what_was_before(state: Status, before: set[Status]) -> None:
    assert steps_back(state) == before
    assert {status for status in Status if go_back(state, status).effect is Effect.BACK} == before


@given(st.sampled_from(Status), st.sampled_from(HANDLING[:-1]))
def test_whoever_missed_the_step_that_is_undone_ends_where_it_leads_or_refuses_it(state: Status, to: Status) -> None:
    step = go_back(state, to)
    assert step == (Step(Effect.BACK) if to in steps_back(state) else follow(state, to))


def test_work_goes_on_after_a_change_was_refused() -> None:
    assert set(HANDLING) <= moves(S.CHANGE_REFUSED)


def test_an_operator_redrives_only_what_is_parked_or_expired() -> None:
    assert {state for state in Status if S.REDRIVEN in moves(state)} == {S.PARKED, S.EXPIRED}


def test_a_parked_or_expired_delivery_that_arrives_after_all_has_arrived() -> None:
    assert S.ARRIVED in moves(S.PARKED) & moves(S.EXPIRED)


@pytest.mark.parametrize("state", Status)
def test_every_state_reaches_an_end(state: Status) -> None:
    reached, waiting = {state}, [state]
    while waiting:
        new = moves(waiting.pop()) - reached
        reached |= new
        waiting.extend(new)
    assert reached & ENDED


@pytest.mark.parametrize("state", Status)
def test_nothing_returns_to_the_beginning(state: Status) -> None:
    assert follow(state, S.PENDING).effect is Effect.STALE


@given(st.sampled_from(Status), st.sampled_from(Status))
def test_a_refused_step_says_what_would_be_allowed(state: Status, status: Status) -> None:
    step = follow(state, status)
    if step.effect is Effect.REFUSED:
        assert step.reason == f"{status} cannot follow {state}; allowed: {', '.join(sorted(moves(state))) or 'nothing'}"
    else:
        assert step.reason == ""


@given(st.sampled_from(Status), st.sampled_from(Status))
def test_what_a_person_asks_for_is_done_or_refused_with_a_reason(state: Status, status: Status) -> None:
    if status in moves(state):
        require(state, status)
    else:
        with pytest.raises(TransitionError, match=r"cannot follow|already|further"):
            require(state, status)


def test_the_nations_codes_are_those_of_the_decision() -> None:
    assert {code: status.value for status, code in NATIONAL_CODES.items()} == {
        "01": "arrived",
        "02": "refused",
        "03": "registered",
        "04": "assigned",
        "05": "processing",
        "06": "completed",
        "13": "take_back_requested",
        "15": "change_accepted",
        "16": "change_refused",
    }


class Delivery(RuleBasedStateMachine):
    """A delivery whose receipts come late, twice and in any order, while people, the clock and operators act."""

    sent: ClassVar[st.SearchStrategy[Status]] = st.sampled_from(MACHINES)

    def __init__(self) -> None:
        super().__init__()
        self.state = S.PENDING
        self.history: list[Status] = [S.PENDING]

    def tell(self, status: Status) -> Effect:
        before = self.state
        step = follow(before, status)
        if step.effect is Effect.ADVANCE:
            self.state = status
            self.history.append(status)
        else:
            assert self.state is before
        return step.effect

    @rule(status=sent)
    def a_machine_tells(self, status: Status) -> None:
        before = rank(self.state)
        assert self.tell(status) is not Effect.REFUSED
        assert rank(self.state) >= before

    @rule(index=st.integers(0, 50))
    def an_old_machine_receipt_comes_again(self, index: int) -> None:
        told = [status for status in self.history if status in MACHINES]
        if told:
            self.a_machine_tells(told[index % len(told)])

    @rule(status=st.sampled_from(sorted(BY_PEOPLE)))
    def a_person_acts(self, status: Status) -> None:
        at_the_unit = S.ARRIVED in self.history
        effect = self.tell(status)
        assert at_the_unit or effect is Effect.REFUSED

    @rule()
    def the_issuer_asks_for_it_back(self) -> None:
        self.tell(S.TAKE_BACK_REQUESTED)

    @rule()
    def the_clock_expires_it(self) -> None:
        before = self.state
        assert (self.tell(S.EXPIRED) is Effect.ADVANCE) == (before in UNDELIVERED | WAITING_FOR_OPERATOR)

    @rule()
    def an_operator_redrives(self) -> None:
        before = self.state
        assert (self.tell(S.REDRIVEN) is Effect.ADVANCE) == (before in {S.PARKED, S.EXPIRED})

    @rule()
    def it_is_recalled(self) -> None:
        self.tell(S.RECALLED)

    @invariant()
    def what_has_arrived_is_never_on_the_way_again(self) -> None:
        if S.ARRIVED in self.history:
            assert self.state not in UNDELIVERED | {S.PARKED, S.EXPIRED}

    @invariant()
    def what_is_closed_stays_closed(self) -> None:
        assert not CLOSED & set(self.history[:-1])

    @invariant()
    def a_unit_handles_a_document_only_after_it_arrived(self) -> None:
        assert S.ARRIVED in self.history or not {*HANDLING, *CHANGE, S.REFUSED} & set(self.history)


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)


def test_every_receipt_of_a_unit_belongs_to_a_gateway_or_a_person() -> None:
    assert set(HANDLING) | {S.REFUSED, S.CHANGE_ACCEPTED, S.CHANGE_REFUSED} == BY_PEOPLE
    assert not {S.PENDING, S.QUEUED, S.REDRIVEN, S.EXPIRED, S.TAKE_BACK_REQUESTED} & BY_UNIT
