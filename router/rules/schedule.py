"""When a delivery is published again: pure functions of its state, its unit's line and how often it was sent."""

from dataclasses import dataclass
from functools import lru_cache

from schemas.dispatch import Lane, lane_of
from schemas.states import UNDELIVERED, Status
from schemas.unit import Link

_MAX_DOUBLINGS = 16
_FIRST_RETRY_MS = 1000
LONGEST_RETRY_MS = 300_000


@dataclass(frozen=True, slots=True)
class Silence:
    """How long a unit may say nothing before a delivery is sent to it again, in milliseconds."""

    lan: int = 600_000
    dialup: int = 6 * 3_600_000
    express_factor: float = 0.25
    longest: int = 24 * 3_600_000

    @lru_cache(maxsize=1024)  # noqa: B019 - a process has one Silence
    def interval(self, link: str, urgency: int, published: int) -> int:
        """The pause after the ``published``-th publish: by line and lane, doubling up to the longest."""
        base = self.dialup if link == Link.DIALUP else self.lan
        if lane_of(urgency) is Lane.EXPRESS:
            base = int(base * self.express_factor)
        doublings = min(max(published - 1, 0), _MAX_DOUBLINGS)
        return min(base << doublings, self.longest)


def is_reachable(link: str) -> bool:
    """Whether there is a line to publish on; without one a delivery waits, visibly."""
    return link not in {Link.NONE, Link.EXCLUDED}


def next_due(
    state: Status,
    *,
    link: str,
    urgency: int,
    published: int,
    now_ms: int,
    silence: Silence,
    paused: bool = False,
) -> int | None:
    """When a delivery in ``state`` is to be published next (UTC ms), or None: not by itself."""
    if state not in UNDELIVERED or paused or not is_reachable(link):
        return None
    if state in {Status.PENDING, Status.REDRIVEN}:
        return now_ms
    return now_ms + silence.interval(link, urgency, published)


def retry_publish(failures: int, now_ms: int) -> int:
    """When a publish that the broker did not confirm is tried again: 1 s, 2 s, 4 s … 5 min."""
    doublings = min(max(failures - 1, 0), _MAX_DOUBLINGS)
    return now_ms + min(_FIRST_RETRY_MS << doublings, LONGEST_RETRY_MS)
