"""What is owed for a delivery, by whom and by when: the decree's cases, and no document that is nobody's turn."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.clock import to_ms
from schemas.dispatch import Urgency
from schemas.duties import Course, Duty, Owed, Party, Terms, owed
from schemas.states import ENDED, Status
from schemas.working_calendar import WorkingCalendar

ZONE = "Asia/Ho_Chi_Minh"
TERMS = Terms(WorkingCalendar(ZONE))
INSTANTS = st.integers(1_600_000_000_000, 2_500_000_000_000)
COURSES = st.builds(
    Course,
    state=st.sampled_from(Status),
    since=INSTANTS,
    urgency=st.sampled_from(Urgency),
    due=st.none() | INSTANTS,
    deadline=st.none() | INSTANTS,
)


def at(text: str) -> int:
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE)))


@pytest.mark.parametrize(
    ("arrived", "soon", "latest"),
    [
        pytest.param("2026-11-16T09:00", "2026-11-16T17:00", "2026-11-17T17:00", id="in the morning"),
        pytest.param("2026-11-16T16:59", "2026-11-16T17:00", "2026-11-17T17:00", id="a minute before the end"),
        pytest.param("2026-11-16T17:00", "2026-11-17T17:00", "2026-11-17T17:00", id="as the day ends"),
        pytest.param("2026-11-16T23:30", "2026-11-17T17:00", "2026-11-17T17:00", id="at night"),
        pytest.param("2026-11-17T05:00", "2026-11-17T17:00", "2026-11-18T17:00", id="before the day begins"),
        pytest.param("2026-11-20T10:00", "2026-11-20T17:00", "2026-11-23T17:00", id="on a Friday"),
        pytest.param("2026-11-21T10:00", "2026-11-23T17:00", "2026-11-23T17:00", id="on a Saturday"),
        pytest.param("2026-11-23T10:00", "2026-11-23T17:00", "2026-11-25T17:00", id="before a public holiday"),
        pytest.param("2027-02-03T15:00", "2027-02-03T17:00", "2027-02-11T17:00", id="on the last day before Tết"),
        pytest.param("2027-02-06T00:00", "2027-02-11T17:00", "2027-02-11T17:00", id="at Tết's midnight"),
        pytest.param("2026-08-21T10:00", "2026-08-21T17:00", "2026-08-22T17:00", id="before a Saturday that is worked"),
        pytest.param("2026-08-22T10:00", "2026-08-22T17:00", "2026-08-24T17:00", id="on that Saturday"),
        pytest.param("2026-08-28T10:00", "2026-08-28T17:00", "2026-09-03T17:00", id="before days that were moved"),
    ],
)
def test_what_comes_is_registered_the_same_day_and_at_the_latest_the_next_working_day(
    arrived: str, soon: str, latest: str
) -> None:
    for state, duty, party in (
        (Status.ARRIVED, Duty.REGISTER, Party.CLERK),
        (Status.REGISTERED, Duty.ASSIGN, Party.LEADER),
        (Status.TAKE_BACK_REQUESTED, Duty.GIVE_BACK, Party.CLERK),
        (Status.PARKED, Duty.SEND_AGAIN, Party.OPERATOR),
    ):
        (found,) = owed(Course(state, at(arrived)), TERMS)
        assert found == Owed(duty, party, at(arrived), at(soon), at(latest))


@pytest.mark.parametrize(
    ("urgency", "arrived", "latest"),
    [
        (Urgency.URGENT, "2026-11-16T09:00", "2026-11-16T09:30"),
        (Urgency.URGENT, "2026-11-16T16:50", "2026-11-17T07:50"),
        (Urgency.VERY_URGENT, "2026-11-20T22:00", "2026-11-23T08:00"),
        (Urgency.VERY_URGENT, "2027-02-05T08:00", "2027-02-11T08:00"),
        (Urgency.EXPRESS, "2026-11-20T22:00", "2026-11-20T22:30"),
        (Urgency.EXPRESS_TIMED, "2027-02-05T23:45", "2027-02-06T00:15"),
    ],
)
def test_urgent_ones_at_once_and_from_express_on_at_any_hour(urgency: Urgency, arrived: str, latest: str) -> None:
    (found,) = owed(Course(Status.ARRIVED, at(arrived), urgency), TERMS)
    assert (found.soon, found.latest) == (at(latest), at(latest))


def test_a_line_that_is_late_costs_the_clerk_no_time() -> None:
    """It counts from the arrival, whenever the letter was sent."""
    sent, arrived, due = at("2026-11-02T08:00"), at("2026-11-16T09:00"), at("2026-11-30T17:00")
    on_its_way = owed(Course(Status.TAKEN, sent, due=due), TERMS)
    assert on_its_way == (
        Owed(Duty.DELIVER, Party.SERVICE, sent),
        Owed(Duty.ANSWER, Party.CLERK, sent, due, due),
    )
    assert owed(Course(Status.ARRIVED, arrived, due=due), TERMS)[0].late(at("2026-11-17T17:00")) == 0


def test_a_timed_letter_has_to_be_there_by_its_time_and_owes_no_answer() -> None:
    due = at("2026-11-16T20:00")
    (found,) = owed(Course(Status.QUEUED, at("2026-11-16T09:00"), Urgency.EXPRESS_TIMED, due), TERMS)
    assert (found.duty, found.by, found.latest) == (Duty.DELIVER, Party.SERVICE, due)
    assert (found.late(due), found.late(due + 1)) == (0, 1)
    (found,) = owed(Course(Status.PROCESSING, at("2026-11-16T19:00"), Urgency.EXPRESS_TIMED, due), TERMS)
    assert found.latest is None


@pytest.mark.parametrize(
    ("deadline", "due", "latest"),
    [(None, None, None), (5, None, 5), (None, 7, 7), (5, 7, 5), (9, 7, 7)],
)
def test_work_is_done_by_the_leaders_day_or_the_letters_where_that_is_earlier(
    deadline: int | None, due: int | None, latest: int | None
) -> None:
    for state in (Status.ASSIGNED, Status.PROCESSING, Status.CHANGE_REFUSED):
        (found,) = owed(Course(state, 1, due=due, deadline=deadline), TERMS)
        assert (found.duty, found.by, found.latest) == (Duty.PROCESS, Party.STAFF, latest)
        assert found.late(10**13) == (0 if latest is None else 10**13 - latest)


@given(COURSES)
def test_no_document_is_nobodys_turn_while_something_is_owed(course: Course) -> None:
    found = owed(course, TERMS)
    assert bool(found) is (course.state not in ENDED)
    assert [item.duty for item in found[1:]] in ([], [Duty.ANSWER])
    for item in found:
        assert item.since == course.since
        assert (item.soon is None) is (item.latest is None)
        assert item.soon is None or item.latest is None or item.soon <= item.latest
        assert item.late(item.latest or 0) == 0


@given(COURSES, st.integers(0, 10**10))
def test_who_is_given_something_later_has_it_to_do_no_earlier(course: Course, later: int) -> None:
    after = Course(course.state, course.since + later, course.urgency, course.due, course.deadline)
    for one, other in zip(owed(course, TERMS), owed(after, TERMS), strict=True):
        assert (one.soon or 0) <= (other.soon or 0)
        assert (one.latest or 0) <= (other.latest or 0)
        assert one.latest is None or one.duty not in {Duty.REGISTER, Duty.ASSIGN} or one.latest > course.since
