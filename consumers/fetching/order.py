"""Which contents are fetched now: pure decisions over what waits, so that they are tested without a line.

The rule itself stands in :mod:`schemas.fetch_order`, because the router plans by it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schemas.fetch_order import SMALL_PER_LARGE

QUANTUM = 64 * 1024
"""Bytes that the largest gets at a time once they are earned."""
_MOST_CREDIT = 2 * QUANTUM * SMALL_PER_LARGE


@dataclass(frozen=True, slots=True)
class WaitingContent:
    """A content that waits: for how urgent a document, how many bytes that document still needs, since when."""

    key: str
    urgency: int
    remaining: int
    since: int


@dataclass(frozen=True, slots=True)
class Waiter:
    """A document that waits for contents: how urgent, since when, and the bytes to come of each content by its name."""

    key: str
    urgency: int
    since: int
    left: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Share:
    """What small work has earned for the largest (bytes of small work), and whether the largest is being paid.

    The last bytes paid may be more than was owed: then the credit is negative.
    """

    credit: int = 0
    paying: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """The keys to fetch now; ``largest`` names the job that the credit is for, when not all can be fetched."""

    keys: frozenset[str]
    largest: str | None = None


def choose(jobs: Iterable[WaitingContent], *, slots: int, share: Share, floor: int = 0) -> Choice:
    """Decide what is fetched at the same time.

    Args:
        jobs: everything that could be fetched.
        slots: at most so many at once.
        share: the credit so far.
        floor: the class of the most urgent work of the other direction; nothing below it moves.
    """
    waiting = list(jobs)
    top = max((job.urgency for job in waiting), default=0)
    if top < floor:
        return Choice(frozenset())
    peers = sorted((job for job in waiting if job.urgency == top), key=lambda job: (job.remaining, job.since, job.key))
    if len(peers) <= slots:
        return Choice(frozenset(job.key for job in peers))
    largest = peers[-1]
    first = [largest, *peers] if share.paying else peers
    return Choice(frozenset(job.key for job in first[:slots]), largest.key)


def account(share: Share, count: int, *, for_largest: bool) -> Share:
    """The share after ``count`` bytes have come, for the largest or for a small one, while others had to wait."""
    if not for_largest:
        credit = min(share.credit + count, _MOST_CREDIT)
        return Share(credit, share.paying or credit >= QUANTUM * SMALL_PER_LARGE)
    credit = max(share.credit - count * SMALL_PER_LARGE, -_MOST_CREDIT)
    return Share(credit, share.paying and credit > 0)


def turn(item: Waiter) -> tuple[int, int, int, str]:
    """What sorts documents into the order of :func:`choose`."""
    return -item.urgency, sum(item.left.values()), item.since, item.key


def seconds_left(waiting: Iterable[Waiter], rate: float) -> dict[str, float]:
    """About how long each document takes at a rate (bytes/s), by its key; empty while the rate is not known.

    One after the other, in the order of :func:`choose` with one slot. What the largest earns from the small is left
    out: it may come a little sooner, and they a fifth later. A content that several wait for is fetched once.
    """
    if rate <= 0:
        return {}
    times: dict[str, float] = {}
    fetched: set[str] = set()
    ahead = 0
    for item in sorted(waiting, key=turn):
        ahead += sum(size for name, size in item.left.items() if name not in fetched)
        fetched.update(item.left)
        times[item.key] = ahead / rate
    return times
