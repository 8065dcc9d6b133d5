"""Which deliveries of one channel are settled, and the fewest acknowledgements that say so: pure bookkeeping."""

from collections.abc import Iterable


class Acks:
    """Delivery tags of one channel, counted from 1 without gaps, each settled once."""

    def __init__(self) -> None:
        self._floor = 0
        """Every tag up to here is settled."""
        self._above: set[int] = set()
        """Settled tags above the floor."""

    def settle(self, tags: Iterable[int]) -> list[tuple[int, bool]]:
        """Settle tags; returns what to send as (tag, multiple), in order.

        ``multiple`` speaks for all tags up to this one: only where each of them is settled already or given here.
        """
        given = sorted(tags)
        top = self._raise_floor(given)
        covered = [tag for tag in given if tag <= top]
        single = given[len(covered) :]
        self._above.update(single)
        first = [(covered[-1], len(covered) > 1)] if covered else []
        return first + [(tag, False) for tag in single]

    def settled(self, tag: int) -> None:
        """Take note of a tag that was answered by itself, such as a rejected one."""
        self._above.add(tag)
        self._raise_floor(())

    def _raise_floor(self, given: Iterable[int]) -> int:
        fresh = set(given)
        while (tag := self._floor + 1) in fresh or tag in self._above:
            self._above.discard(tag)
            self._floor = tag
        return self._floor
