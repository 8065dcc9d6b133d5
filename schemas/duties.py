"""What is owed for a delivery: what has to be done next, by whom, by when, and how late it is.

One rule for desk, console, API and reports: how far a delivery has come and the working calendar give what is owed.
The terms are those of Decree 30/2020 (registered the day it comes, at the latest the next working day; submitted so,
too; urgent ones at once); what the decree leaves open is in :class:`Terms`. An instant is UTC milliseconds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from schemas.dispatch import Urgency
from schemas.states import ENDED, IN_WORK, UNDELIVERED, Status
from schemas.working_calendar import WorkingCalendar


class Duty(StrEnum):
    """What has to be done."""

    DELIVER = "deliver"
    """Brought to the unit."""
    SEND_AGAIN = "send_again"
    """Looked at by an operator, who has it sent again or gives it up: it is parked."""
    REGISTER = "register"
    """Entered in the arrival book, or refused."""
    ASSIGN = "assign"
    """Submitted to the leader and directed."""
    PROCESS = "process"
    """Dealt with, and completed."""
    GIVE_BACK = "give_back"
    """Given back as the issuer asks, or kept with a reason."""
    ANSWER = "answer"
    """Answered by the day that the letter names, whatever has to be done before."""


class Party(StrEnum):
    """Who owes it."""

    SERVICE = "service"
    OPERATOR = "operator"
    CLERK = "clerk"
    LEADER = "leader"
    STAFF = "staff"


@dataclass(frozen=True, slots=True)
class Course:
    """How far a delivery has come.

    Args:
        state: its state, and ``since`` when.
        since: see there.
        urgency: of its letter.
        due: the letter's: when the answer has to be there, or with urgency 4 the letter itself; None: it names none.
        deadline: by when the leader wants it done; None: as the letter says.
        registered: whether it stands in the unit's register; asked of what was kept after a recall alone.
    """

    state: Status
    since: int
    urgency: Urgency = Urgency.NORMAL
    due: int | None = None
    deadline: int | None = None
    registered: bool = True


@dataclass(frozen=True, slots=True)
class Terms:
    """What the decree leaves open.

    Args:
        calendar: the organisation's.
        at_once: seconds that "at once" lasts for an urgent letter: of office hours, and from hỏa tốc on of any hours.
        any_hour_from: the urgency from which nights and days off do not count as a rest.
    """

    calendar: WorkingCalendar
    at_once: float = 1800.0
    any_hour_from: Urgency = Urgency.EXPRESS


@dataclass(frozen=True, slots=True)
class Owed:
    """One thing that is owed.

    Args:
        duty: what.
        by: by whom.
        since: since when.
        soon: by when it should be done; None: no day is set.
        latest: when it is late; None: as there. Never before ``soon``.
    """

    duty: Duty
    by: Party
    since: int
    soon: int | None = None
    latest: int | None = None

    def is_due(self, now: int) -> bool:
        """Whether it should be done by now, late or not."""
        return self.soon is not None and self.soon <= now

    def late(self, now: int) -> int:
        """For how long it has been late, in milliseconds; 0: it is not."""
        return 0 if self.latest is None else max(now - self.latest, 0)


WHOSE: Mapping[Duty, Party] = MappingProxyType(
    {
        Duty.DELIVER: Party.SERVICE,
        Duty.SEND_AGAIN: Party.OPERATOR,
        Duty.REGISTER: Party.CLERK,
        Duty.ASSIGN: Party.LEADER,
        Duty.PROCESS: Party.STAFF,
        Duty.GIVE_BACK: Party.CLERK,
    }
)
"""Who owes what is to be done next; an answer is owed by whoever has the letter then."""
_AT_THE_UNIT = {
    Status.ARRIVED: Duty.REGISTER,
    Status.REGISTERED: Duty.ASSIGN,
    Status.TAKE_BACK_REQUESTED: Duty.GIVE_BACK,
}


def owed(course: Course, terms: Terms) -> tuple[Owed, ...]:
    """What is owed now: whose turn it is first, then what is owed beside it; nothing once a delivery has ended."""
    if course.state in ENDED:
        return ()
    turn = _turn(course, terms)
    return (turn, *beside(course, turn))


def beside(course: Course, turn: Owed) -> tuple[Owed, ...]:
    """What is owed beside whose turn it is: the answer, where a letter asks for one."""
    if turn.duty is Duty.PROCESS or course.urgency is Urgency.EXPRESS_TIMED or course.due is None:
        return ()
    by = turn.by if turn.duty in _AT_THE_UNIT.values() else Party.CLERK
    return (Owed(Duty.ANSWER, by, course.since, course.due, course.due),)


def late_from(items: Iterable[Owed]) -> int | None:
    """From when on something of it is late; None: no day is set for any."""
    return min((item.latest for item in items if item.latest is not None), default=None)


def _turn(course: Course, terms: Terms) -> Owed:
    if course.state in UNDELIVERED:
        until = course.due if course.urgency is Urgency.EXPRESS_TIMED else None
        return _owed(Duty.DELIVER, course, until, until)
    duty = _AT_THE_UNIT.get(course.state, Duty.PROCESS if course.state in IN_WORK else Duty.SEND_AGAIN)
    if course.state is Status.CHANGE_REFUSED and not course.registered:
        duty = Duty.REGISTER
    if duty is Duty.PROCESS:
        until = _done_by(course)
        return _owed(duty, course, until, until)
    return _owed(duty, course, *_soon(course, terms))


def _owed(duty: Duty, course: Course, soon: int | None, latest: int | None) -> Owed:
    return Owed(duty, WHOSE[duty], course.since, soon, latest)


def _done_by(course: Course) -> int | None:
    """The leader's day, or the letter's where that is earlier."""
    answer = None if course.urgency is Urgency.EXPRESS_TIMED else course.due
    days = [day for day in (course.deadline, answer) if day is not None]
    return min(days, default=None)


def _soon(course: Course, terms: Terms) -> tuple[int, int]:
    """By when something that comes to a desk should be dealt with, and when that is late."""
    calendar = terms.calendar
    if course.urgency is Urgency.NORMAL:
        latest = calendar.following_working_day(course.since)
        return min(calendar.this_working_day(course.since), latest), latest
    if course.urgency < terms.any_hour_from:
        at = calendar.after(course.since, terms.at_once)
    else:
        at = course.since + round(terms.at_once * 1000)
    return at, at
