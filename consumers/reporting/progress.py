"""How far documents have come, for those who wait for them: what has moved since the last report to the router."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from schemas.line import MAX_HELD, Held


def worth_reporting(now: Iterable[Held], told: Mapping[str, int], *, limit: int = MAX_HELD) -> list[Held]:
    """Those that have moved, those that moved most first.

    Args:
        now: how far each has come.
        told: the bytes that were reported last, by delivery; a delivery that was never reported had none.
        limit: at most so many.
    """
    moved = [item for item in now if item.held != told.get(item.delivery_id, 0)]
    return sorted(moved, key=lambda item: -abs(item.held - told.get(item.delivery_id, 0)))[:limit]


class Progress:
    """Knows what was reported.

    Args:
        held_now: how far the deliveries have come that are being brought now.
    """

    def __init__(self, held_now: Callable[[], Iterable[Held]]) -> None:
        self._held_now = held_now
        self._told: dict[str, int] = {}

    def untold(self) -> list[Held]:
        """What has moved since it was reported."""
        now = list(self._held_now())
        there = {item.delivery_id for item in now}
        self._told = {key: count for key, count in self._told.items() if key in there}
        return worth_reporting(now, self._told)

    def told(self, items: Sequence[Held]) -> None:
        """A broker has confirmed that the router will know."""
        self._told.update((item.delivery_id, item.held) for item in items)
