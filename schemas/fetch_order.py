"""The order in which a unit's contents come over its line: the gateway's rule, and the router's when it plans.

Strict priority: while something of a more urgent class is to be fetched, nothing of a lesser class is read. Inside a
class the document with the least to come goes first; but bytes fetched for the small earn credit for the largest, five
for one, so that a 50 MB file always advances. Source: the measurements on thin lines, points 4 and 5 of their design.
"""

from collections.abc import Sequence

SMALL_PER_LARGE = 5
"""Bytes of small work that earn one byte for the largest."""


def bytes_before(own: int, others: Sequence[int]) -> int:
    """Bytes of documents of the same class, all there before, that come before one of ``own`` bytes is complete.

    Exact with one other. With several it is about so much: what is paid to a large one makes it a smaller one.

    >>> bytes_before(100, [10, 1000])
    32
    """
    smaller = sum(size for size in others if size <= own)
    larger = max((size for size in others if size > own), default=0)
    if larger:
        return smaller + min(larger, (smaller + own) // SMALL_PER_LARGE)
    return min(smaller, SMALL_PER_LARGE * own)
