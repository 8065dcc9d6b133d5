"""Which missing numbers were answered lately: memory alone, so a new process begins anew and answers once more."""

from collections.abc import Iterable

EVERY_MS = 30_000
"""A number is published again at most once in this time; a gateway asks for it no more often than once a minute."""
_MOST = 50_000


class Gaps:
    """Numbers of units' deliveries, and when each was last answered (UTC ms)."""

    def __init__(self) -> None:
        self._answered: dict[tuple[str, int], int] = {}

    def fresh(self, unit: str, missing: Iterable[int], now: int) -> tuple[int, ...]:
        """Those that were not answered lately, each once."""
        return tuple(
            seq for seq in dict.fromkeys(missing) if now - self._answered.get((unit, seq), -EVERY_MS) >= EVERY_MS
        )

    def answered(self, unit: str, numbers: Iterable[int], now: int) -> None:
        """These are answered; the oldest are forgotten when there are too many."""
        for seq in numbers:
            self._answered.pop((unit, seq), None)
            self._answered[unit, seq] = now
        while len(self._answered) > _MOST:
            del self._answered[next(iter(self._answered))]

    def not_answered(self, unit: str, numbers: Iterable[int]) -> None:
        """These were not answered after all."""
        for seq in numbers:
            self._answered.pop((unit, seq), None)
