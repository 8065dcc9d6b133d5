"""The geometry of charts: pure functions from values to what the templates draw as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

from router.ledger.queries import Span

TALL = 100.0
"""The height that charts are drawn in; the page stretches it."""
LONG = 1000.0
"""The length that bands are drawn in."""
_THINNEST = 6.0
LEVELS = 5
"""Shades of a heat map besides the empty one."""
_LEAST = 1.5
"""A bar of something is never so low that it looks like nothing."""
_GAP = 0.25


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart whose bars are each one wide, gap and all."""

    x: float
    y: float
    width: float
    height: float


def bars(values: Sequence[int | None]) -> list[Bar]:
    """A bar for each value, the largest as high as the chart; None and 0 have none in height."""
    most = max((value or 0 for value in values), default=0)
    heights = [max(TALL * value / most, _LEAST) if value else 0.0 for value in values]
    return [Bar(number + _GAP / 2, TALL - height, 1 - _GAP, height) for number, height in enumerate(heights)]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a line a thousand long; ``whole`` when most of it is meant, not only some."""

    x: float
    width: float
    whole: bool


def stretches(parts: Sequence[tuple[int, int, int]], span: Span) -> list[Stretch]:
    """Parts of a span (begin, end, and how much of it is meant, ms) as stretches of a line."""
    scale = LONG / (span.until - span.since)
    drawn = []
    for began, ended, meant in parts:
        width = round(max((ended - began) * scale, _THINNEST), 2)
        x = min(round((began - span.since) * scale, 2), LONG - width)
        drawn.append(Stretch(x, width, whole=2 * meant >= ended - began))
    return drawn


def ticks(span: Span, count: int = 5) -> list[int]:
    """Moments (UTC ms) that divide a span evenly, its ends among them."""
    return [span.since + (span.until - span.since) * number // (count - 1) for number in range(count)]


def level(count: int, most: int) -> int:
    """The shade of a count in a heat map: 0 of nothing alone, :data:`LEVELS` of the most."""
    return -(-LEVELS * count // most) if most else 0
