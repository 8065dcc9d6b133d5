"""What a redrive does next: pure functions of its pace, of how many of its deliveries are where, and of the time.

A redrive has a fixed list of deliveries. Each that was sent again is *watched* for a while: one that comes back parked
or expired, or that the broker does not take, is a failure and stops the redrive; one that arrives, or that is on its
way without bad news when the time is over, is settled. A line that is slow is no failure. What is still under way then
is looked at now and then until it has arrived: one that comes back later is reported, and stops a redrive that goes on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from router.errors import ActRefusedError
from schemas.deadlines import is_misset, is_over
from schemas.states import UNDELIVERED, Status

BATCH = 200
"""Most deliveries sent again in one transaction, so that the router's others never wait long."""
WINDOW = 2000
"""Most deliveries that are watched at once: a redrive never runs further ahead of its news."""
TICK_MS = 500
"""How often a redrive is looked at."""
_FIRST, _SOME = 1, 10


class Pace(StrEnum):
    """How a redrive goes on."""

    HAND = "hand"
    """One; after that as many as a person lets go."""
    CANARY = "canary"
    """One, then ten, then the rest, each when those before are settled."""
    RATE = "rate"
    """So many per minute."""
    ALL = "all"
    """As fast as they are settled."""


class JobState(StrEnum):
    """How a redrive stands."""

    RUNNING = "running"
    WAITING = "waiting"
    """The step is done; a person says what is next."""
    PAUSED = "paused"
    STOPPED = "stopped"
    """At a failure, or because who let it go on may not act any more."""
    DONE = "done"
    CANCELLED = "cancelled"


ENDED = frozenset({JobState.DONE, JobState.CANCELLED})


class Outcome(StrEnum):
    """What became of one delivery of a redrive."""

    WAITING = "waiting"
    """Not sent again yet."""
    WATCHED = "watched"
    """Sent again; nothing is known yet."""
    ARRIVED = "arrived"
    UNDER_WAY = "under_way"
    """The time of watching is over without bad news."""
    RECALLED = "recalled"
    FAILED = "failed"
    FAILED_LATER = "failed_later"
    """Parked or expired after the time of watching was over."""
    SKIPPED = "skipped"
    """Not sent again, with the reason."""


class JobAct(StrEnum):
    """What a person does with a redrive."""

    ONE = "one"
    TEN = "ten"
    REST = "rest"
    RESUME = "resume"
    PAUSE = "pause"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Tally:
    """How many deliveries of a redrive have which outcome."""

    counts: Mapping[Outcome, int]

    def __getitem__(self, outcome: Outcome) -> int:
        """How many have it."""
        return self.counts.get(outcome, 0)

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts.values())

    @property
    def sent(self) -> int:
        """Those that were sent again."""
        return self.total - self[Outcome.WAITING] - self[Outcome.SKIPPED]

    @property
    def failed(self) -> int:
        """Those that came back, within the time of watching or later."""
        return self[Outcome.FAILED] + self[Outcome.FAILED_LATER]

    @property
    def is_settled(self) -> bool:
        """Whether it is known of each what became of it."""
        return not (self[Outcome.WAITING] or self[Outcome.WATCHED] or self[Outcome.UNDER_WAY])


@dataclass(frozen=True, slots=True)
class Course:
    """What decides how a redrive goes on; ``allowed`` is how many may be sent so far, ``send_at`` in UTC ms."""

    state: JobState
    pace: Pace
    allowed: int
    total: int
    send_at: int = 0
    per_minute: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """What happens now: the course from now on, and how many are sent again at once."""

    state: JobState
    allowed: int
    send_at: int
    note: str
    send: int = 0


def first_allowed(pace: Pace, total: int) -> int:
    """How many a new redrive may send before anything else is decided."""
    return min(_FIRST, total) if pace in {Pace.HAND, Pace.CANARY} else total


def settle(state: Status, *, failures: int, sent_at: int, now_ms: int, watch_ms: int) -> Outcome:
    """What has become of a delivery that was sent again.

    Args:
        state: the delivery's now.
        failures: publishes of it in a row that the broker did not confirm.
        sent_at: when it was sent again, UTC ms.
        now_ms: the present, UTC ms.
        watch_ms: for how long no news is no decision.
    """
    if state in {Status.PARKED, Status.EXPIRED}:
        return Outcome.FAILED
    if state is Status.RECALLED:
        return Outcome.RECALLED
    if state not in UNDELIVERED:
        return Outcome.ARRIVED
    if not is_over(sent_at + watch_ms, now=now_ms, longest=2 * watch_ms):
        return Outcome.WATCHED
    return Outcome.FAILED if state is Status.REDRIVEN and failures else Outcome.UNDER_WAY


def settle_late(state: Status) -> Outcome:
    """What has become of a delivery that was still under way when the time of watching was over."""
    if state in UNDELIVERED:
        return Outcome.UNDER_WAY
    if state in {Status.PARKED, Status.EXPIRED}:
        return Outcome.FAILED_LATER
    return Outcome.RECALLED if state is Status.RECALLED else Outcome.ARRIVED


def decide(course: Course, tally: Tally, *, failure: str, now_ms: int) -> Move:
    """What a redrive does now.

    Args:
        course: how it stands.
        tally: its deliveries by outcome, the news of this moment counted in.
        failure: what the first delivery that has just failed said; empty: none has.
        now_ms: the present, UTC ms.
    """
    same = Move(course.state, course.allowed, course.send_at, course.note)
    if course.state in ENDED:
        return same
    if failure:
        return Move(JobState.STOPPED, course.allowed, course.send_at, failure)
    if not tally[Outcome.WAITING] and not tally[Outcome.WATCHED]:
        return Move(JobState.DONE, course.allowed, course.send_at, "")
    if course.state is not JobState.RUNNING:
        return same
    allowed = course.allowed
    if tally.sent >= allowed and not tally[Outcome.WATCHED]:
        if course.pace is Pace.HAND:
            return Move(JobState.WAITING, allowed, course.send_at, "")
        allowed = allowed + _SOME if allowed <= _FIRST else course.total
    room = min(allowed - tally.sent, tally[Outcome.WAITING], WINDOW - tally[Outcome.WATCHED], BATCH)
    send, send_at = _by_rate(course, max(room, 0), now_ms)
    return Move(JobState.RUNNING, allowed, send_at, course.note, send)


def _by_rate(course: Course, room: int, now_ms: int) -> tuple[int, int]:
    """How many of the room the rate lets go now, and when the next may go."""
    if course.pace is not Pace.RATE:
        return room, course.send_at
    longest = BATCH * 60_000 // course.per_minute
    if not is_over(course.send_at, now=now_ms, longest=longest) or not room:
        return 0, course.send_at
    send = min(room, max(1, course.per_minute * TICK_MS // 60_000))
    # What was missed while it was paused is not made up for.
    begin = now_ms if is_misset(course.send_at, now=now_ms, longest=longest) else max(course.send_at, now_ms - TICK_MS)
    return send, begin + send * 60_000 // course.per_minute


def after_act(course: Course, tally: Tally, act: JobAct) -> Move:
    """What a person's act makes of a redrive; an act that changes nothing gives the course as it is.

    Raises:
        ActRefusedError: it has ended.
    """
    if course.state in ENDED:
        same = act is JobAct.CANCEL and course.state is JobState.CANCELLED
        if not same:
            raise ActRefusedError(f"the redrive is {course.state} already", hint="make another one")
        return Move(course.state, course.allowed, course.send_at, course.note)
    if act is JobAct.CANCEL:
        return Move(JobState.CANCELLED, course.allowed, course.send_at, "")
    if act is JobAct.PAUSE:
        stays = course.state in {JobState.PAUSED, JobState.STOPPED}
        state = course.state if stays else JobState.PAUSED
        return Move(state, course.allowed, course.send_at, course.note if stays else "")
    return Move(JobState.RUNNING, _allowed_by(act, course, tally), course.send_at, "")


def _allowed_by(act: JobAct, course: Course, tally: Tally) -> int:
    more = {JobAct.ONE: _FIRST, JobAct.TEN: _SOME}
    if act is JobAct.REST:
        return course.total
    return min(tally.sent + more[act], course.total) if act in more else course.allowed
