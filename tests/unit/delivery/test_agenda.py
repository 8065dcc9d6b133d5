"""When the broker is compared: at once for what is known, soon for a doubt, and never all the time."""

from hypothesis import given
from hypothesis import strategies as st

from router.delivery.agenda import Agenda, Cause

CAUSES = st.sampled_from(list(Cause))


def after(agenda: Agenda, cause: Cause, at: float, *, took: float = 0.1, changed: bool = False) -> Agenda:
    agenda.ask(cause)
    agenda.end(agenda.begin(), at=at, took=took, changed=changed)
    return agenda


def test_without_a_cause_it_is_compared_at_the_interval() -> None:
    assert after(Agenda(30.0), Cause.CHANGE, 100.0).due_at() == 130.0


def test_a_change_is_looked_at_at_once() -> None:
    agenda = after(Agenda(30.0), Cause.CHANGE, 100.0)
    agenda.ask(Cause.CHANGE)
    assert agenda.due_at() <= 100.0


def test_a_comparison_takes_at_most_one_part_in_twenty_of_the_time() -> None:
    assert after(Agenda(30.0), Cause.CHANGE, 100.0, took=5.0).due_at() == 200.0


def test_the_making_of_thousands_of_queues_does_not_put_off_the_next_comparison() -> None:
    assert after(Agenda(30.0), Cause.CHANGE, 100.0, took=97.0, changed=True).due_at() == 130.0


def test_the_first_doubt_is_looked_at_at_once_and_doubts_in_vain_later_and_later() -> None:
    agenda = after(Agenda(30.0), Cause.CHANGE, 100.0)
    waits = []
    for _ in range(8):
        agenda.ask(Cause.DOUBT)
        waits.append(agenda.due_at() - agenda.ended_at)
        after(agenda, Cause.DOUBT, agenda.due_at())
    assert waits == [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_a_doubt_that_was_right_makes_the_next_be_looked_at_at_once() -> None:
    agenda = after(after(Agenda(30.0), Cause.DOUBT, 100.0), Cause.DOUBT, 110.0, changed=True)
    agenda.ask(Cause.DOUBT)
    assert agenda.due_at() == 110.0


def test_a_change_is_not_delayed_by_doubts_in_vain() -> None:
    agenda = Agenda(30.0)
    for at in range(5):
        after(agenda, Cause.DOUBT, float(at))
    agenda.ask(Cause.DOUBT)
    agenda.ask(Cause.CHANGE)
    agenda.ask(Cause.DOUBT)
    assert agenda.due_at() <= agenda.ended_at


def test_a_failure_keeps_its_cause_and_is_tried_again_after_a_growing_pause() -> None:
    agenda = Agenda(30.0)
    agenda.ask(Cause.CHANGE)
    pauses = []
    for at in (10.0, 20.0, 30.0, 40.0, 50.0, 60.0):
        cause = agenda.begin()
        assert cause is Cause.CHANGE
        agenda.fail(cause, at=at, longest=15.0)
        pauses.append(agenda.due_at() - at)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0]


@given(st.lists(st.tuples(CAUSES, st.floats(0, 60), st.booleans(), st.booleans())))
def test_whatever_has_happened_the_next_comparison_is_not_later_than_the_quiet_interval(
    history: list[tuple[Cause, float, bool, bool]],
) -> None:
    agenda, now = Agenda(30.0), 0.0
    for cause, took, changed, failed in history:
        agenda.ask(cause)
        now = max(now, agenda.due_at())
        begun = agenda.begin()
        now += took
        if failed:
            agenda.fail(begun, at=now, longest=15.0)
        else:
            agenda.end(begun, at=now, took=took, changed=changed)
        assert agenda.due_at() <= now + agenda.quiet
