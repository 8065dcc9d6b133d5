"""How far documents have come, for those who wait for them: what has moved since the router was told last."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from consumers.delivering.errand import Errand
from schemas.line import MAX_HELD, Held


def worth_telling(now: Iterable[Held], told: Mapping[str, int], *, limit: int = MAX_HELD) -> list[Held]:
    """Those that have moved, the ones that moved most first.

    Args:
        now: how far each has come.
        told: the bytes that were told last, by delivery; a delivery that was never told had none.
        limit: at most so many.
    """
    moved = [item for item in now if item.held != told.get(item.delivery_id, 0)]
    return sorted(moved, key=lambda item: -abs(item.held - told.get(item.delivery_id, 0)))[:limit]


class Progress:
    """Knows what was told.

    Args:
        in_work: the deliveries that are being brought now.
    """

    def __init__(self, in_work: Callable[[], Iterable[Errand]]) -> None:
        self._in_work = in_work
        self._told: dict[str, int] = {}

    def untold(self) -> list[Held]:
        """What has moved since it was told."""
        now = [item for errand in self._in_work() if (item := held_of(errand)) is not None]
        there = {item.delivery_id for item in now}
        self._told = {key: count for key, count in self._told.items() if key in there}
        return worth_telling(now, self._told)

    def told(self, items: Sequence[Held]) -> None:
        """A broker has confirmed that the router will know."""
        self._told.update((item.delivery_id, item.held) for item in items)


def held_of(errand: Errand) -> Held | None:
    """How far a delivery has come, in bytes on the line; None while its contents are not known or need no fetching."""
    coming = {transfer.sha256: transfer.size for transfer in errand.want.transfers}
    total = sum(coming.get(content.sha256, content.least()) for content in errand.contents)
    if not total or errand.item.stub:
        return None
    return Held(delivery_id=errand.item.delivery_id, held=total - min(total, errand.want.remaining), total=total)
