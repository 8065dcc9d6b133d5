"""Runs of numbers: which of a unit's receipts have been recorded, and which are missing. Pure values.

Written ``7-9,12``. Runs are in order, do not touch, and stand above ``through``, up to which nothing is missing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

Run = tuple[int, int]
"""First and last of a run."""
MOST_RUNS = 100
"""Runs kept ahead; beyond that the highest are forgotten, so that they are asked for once more."""


@dataclass(frozen=True, slots=True)
class Received:
    """What has come of numbers that count from 1: all up to ``through``, and the runs ``ahead`` of it."""

    through: int = 0
    ahead: tuple[Run, ...] = ()

    def and_also(self, numbers: Iterable[int]) -> "Received":
        """With further numbers, in any order and any number of times."""
        new = sorted({number for number in numbers if number > self.through})
        if not new:
            return self
        found = self._with((number, number) for number in new)
        return Received(found.through, found.ahead[:MOST_RUNS])

    def up_to(self, number: int) -> "Received":
        """With everything up to a number, whether it came or never will."""
        return self if number <= self.through else self._with([(self.through + 1, number)])

    def joined(self, other: "Received") -> "Received":
        """What has come of both."""
        return self._with([*other.ahead, (1, other.through)] if other.through else other.ahead)

    def holds(self, number: int) -> bool:
        """Whether a number is among them."""
        return number <= self.through or any(first <= number <= last for first, last in self.ahead)

    def _with(self, runs: Iterable[Run]) -> "Received":
        through, ahead = self.through, []
        for first, last in _joined(sorted([*self.ahead, *runs])):
            if first <= through + 1:
                through = max(through, last)
            else:
                ahead.append((first, last))
        return Received(through, tuple(ahead))

    def missing(self, *, above: int, told: int) -> tuple[Run, ...]:
        """The runs that are missing above a number, up to the highest that is known to have been given."""
        return tuple(_between(max(self.through, above), self.ahead, told))


def write(runs: Iterable[Run]) -> str:
    """Runs as text."""
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in runs)


def read(text: str) -> tuple[Run, ...]:
    """Runs from their text."""
    parts = (part.partition("-") for part in text.split(",") if part)
    return tuple((int(first), int(last or first)) for first, _, last in parts)


def _joined(runs: Sequence[Run]) -> Iterator[Run]:
    if not runs:
        return
    first, last = runs[0]
    for start, end in runs[1:]:
        if start > last + 1:
            yield first, last
            first = start
        last = max(last, end)
    yield first, last


def _between(after: int, runs: Iterable[Run], told: int) -> Iterator[Run]:
    for first, last in runs:
        if first > after + 1:
            yield after + 1, first - 1
        after = max(after, last)
    if told > after:
        yield after + 1, told
