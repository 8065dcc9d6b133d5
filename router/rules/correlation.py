"""Outages with a common cause: lines below one unit that went down at nearly the same time. Pure functions."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from schemas.codes import ancestors_of, is_within

WITHIN_MS = 60_000
"""Outages that began this close to each other may have one cause."""
SHORTEST_MS = 120_000
"""A shorter outage is a dial-up line's ordinary drop: many of them begin together by chance."""
FEWEST = 3
LEAST_SHARE = 0.5
"""Of the lines below a unit at least this share went, or it is no common cause."""


@dataclass(frozen=True, slots=True)
class Down:
    """An outage of a unit's line (UTC ms); ``ended_at`` None while it lasts."""

    unit: str
    began_at: int
    ended_at: int | None


@dataclass(frozen=True, slots=True)
class Together:
    """Lines at or below a head that went down within :data:`WITHIN_MS`.

    ``ended_at`` is when the last of them came back, None while one is down; ``lines`` counts all at or below the head.
    """

    head: str
    units: tuple[str, ...]
    lines: int
    began_at: int
    ended_at: int | None


def heads_of(outages: Iterable[Down]) -> set[str]:
    """The units of which :func:`correlate` wants to know how many lines there are at and below them."""
    counts: defaultdict[str, set[str]] = defaultdict(set)
    for item in _lasting(outages):
        for head in (item.unit, *ancestors_of(item.unit)):
            counts[head].add(item.unit)
    return {head for head, units in counts.items() if len(units) >= FEWEST}


def correlate(outages: Iterable[Down], lines: Mapping[str, int]) -> list[Together]:
    """Outages with a common cause, the latest first; each outage belongs to one of them at most.

    Args:
        outages: of one interval, in any order.
        lines: how many lines there are at and below each of :func:`heads_of`.
    """
    left = set(_lasting(outages))
    found: list[Together] = []
    for head in sorted(lines, key=lambda code: (code.count("."), code)):
        least = max(FEWEST, LEAST_SHARE * lines[head])
        below = sorted((item for item in left if is_within(item.unit, head)), key=lambda item: item.began_at)
        for group in _windows(below, least):
            left.difference_update(group)
            found.append(_together(group, lines))
    return sorted(found, key=lambda item: item.began_at, reverse=True)


def _lasting(outages: Iterable[Down]) -> Iterator[Down]:
    return (item for item in outages if item.ended_at is None or item.ended_at - item.began_at >= SHORTEST_MS)


def _windows(outages: Sequence[Down], least: float) -> Iterator[Sequence[Down]]:
    """Runs of outages that began within the window, each the longest of those that overlap it from behind."""
    began = [item.began_at for item in outages]
    sizes = [bisect_right(began, at + WITHIN_MS) - number for number, at in enumerate(began)]
    start = 0
    while start < len(outages):
        size = sizes[start]
        if size < least or max(sizes[start : start + size]) > size:
            start += 1
            continue
        yield outages[start : start + size]
        start += size


def _together(group: Sequence[Down], lines: Mapping[str, int]) -> Together:
    units = tuple(sorted({item.unit for item in group}))
    head = _nearest(units)
    ends = [item.ended_at for item in group]
    last = None if None in ends else max(end for end in ends if end is not None)
    return Together(head, units, lines.get(head, len(units)), group[0].began_at, last)


def _nearest(units: Sequence[str]) -> str:
    """The lowest unit that all of them are at or below."""
    common = [(code, *ancestors_of(code)) for code in units]
    return max(set(common[0]).intersection(*common[1:]), key=len)
