"""When the broker is compared with the plan the next time. Pure: seconds of one clock go in and come out."""

from dataclasses import dataclass
from enum import Enum

_SHARE = 20
"""A comparison reads all queues: of the broker's time it takes at most one part in so many."""
_FIRST_PAUSE = 1.0


class Cause(Enum):
    """Why the broker is to be compared, the strongest last."""

    INTERVAL = 1
    """Nothing indicates a difference."""
    DOUBT = 2
    """Something at the broker was not as planned: a publish came back, a consumer was cancelled, a login failed."""
    CHANGE = 3
    """The plan has changed, or the broker may be another than before."""


@dataclass(slots=True)
class Agenda:
    """What is known of the comparisons so far.

    A change is looked at once. So is the first doubt; one that was for nothing makes the next wait, twice as long each
    time, because some doubts last: an upstream system whose queue is gone is answered again and again.

    Args:
        interval: seconds between comparisons without a cause.
    """

    interval: float
    cause: Cause = Cause.INTERVAL
    ended_at: float = 0.0
    took: float = 0.0
    pause: float = 0.0
    """After a comparison that failed, or that a doubt had asked for in vain."""
    failed: bool = False

    @property
    def quiet(self) -> float:
        """Seconds from the end of a comparison to the next, when nothing indicates a difference."""
        return max(self.interval, _SHARE * self.took)

    def ask(self, cause: Cause) -> None:
        """There is a cause to compare."""
        if cause.value > self.cause.value:
            self.cause = cause

    def due_at(self) -> float:
        """When to compare next."""
        if self.failed:
            return self.ended_at + self.pause
        waits = {Cause.CHANGE: 0.0, Cause.DOUBT: min(self.pause, self.quiet), Cause.INTERVAL: self.quiet}
        return self.ended_at + waits[self.cause]

    def begin(self) -> Cause:
        """A comparison begins: for what came to be known until now."""
        cause, self.cause = self.cause, Cause.INTERVAL
        return cause

    def end(self, cause: Cause, *, at: float, took: float, changed: bool) -> None:
        """It is done. One that made queues says nothing about how long the next will take."""
        in_vain = cause is Cause.DOUBT and not changed
        self.pause = max(_FIRST_PAUSE, 2 * self.pause) if in_vain else 0.0
        self.ended_at, self.took, self.failed = at, 0.0 if changed else took, False

    def fail(self, cause: Cause, *, at: float, longest: float) -> None:
        """It could not be done: its cause stays, and it is tried again after a pause of at most so many seconds."""
        self.ask(cause)
        self.pause = min(max(_FIRST_PAUSE, 2 * self.pause), longest)
        self.ended_at, self.failed = at, True
