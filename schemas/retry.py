"""How often a gateway tries to hand a document over before it parks it: its defaults, and how long that takes.

Both sides need it: the gateway to try, the router to know for how long no news of a document is no good news.
"""

from math import ceil

SINK_ATTEMPTS = 12
"""Tries of the sink before a document is parked."""
RETRY_FIRST = 1.0
"""Seconds after the first failure; each further pause is twice as long."""
RETRY_MAX = 60.0
"""The longest pause between two tries, seconds."""


def longest_until_parked(
    attempts: int = SINK_ATTEMPTS, first: float = RETRY_FIRST, longest: float = RETRY_MAX
) -> float:
    """The seconds from the first failure to the last when no jitter shortens a pause: 363 by default."""
    return sum(min(first * 2.0**number, longest) for number in range(attempts - 1))


WATCH_SECONDS = 60 * ceil((longest_until_parked() + 60) / 60)
"""For how long a redrive watches a delivery unless somebody says otherwise: until a gateway with its own defaults
would have parked it, and a minute for the line and the tries; whole minutes. What comes back later still counts."""
