"""Receipts put together into messages: alike ones share one, and no delivery's receipts change their order."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from schemas.receipt import MAX_BURST, MAX_BURST_BYTES

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class BurstEntry(NamedTuple, Generic[K, T]):
    """A receipt on its way: what its message has to be of, whose it is, its bytes, and what stands for it."""

    key: K
    delivery_id: str
    part: bytes
    item: T


@dataclass(slots=True)
class BurstGroup(Generic[K, T]):
    """What one message carries."""

    key: K
    parts: list[bytes] = field(default_factory=list)
    items: list[T] = field(default_factory=list)
    size: int = 0

    def takes(self, part: bytes) -> bool:
        """Whether it has room."""
        return len(self.parts) < MAX_BURST and self.size + len(part) <= MAX_BURST_BYTES

    def add(self, entry: BurstEntry[K, T]) -> None:
        """Take it in."""
        self.parts.append(entry.part)
        self.items.append(entry.item)
        self.size += len(entry.part) + 1

    @property
    def body(self) -> bytes:
        """As :class:`schemas.receipt.Burst` is read."""
        return b'{"receipts":[' + b",".join(self.parts) + b"]}"


def in_bursts(entries: Iterable[BurstEntry[K, T]]) -> list[BurstGroup[K, T]]:
    """The messages that carry receipts, in the order in which they are to be published.

    Whoever is told of a delivery is told in the order of its receipts: one joins a message of its kind only if no
    later message has an earlier receipt of the same delivery.
    """
    groups: list[BurstGroup[K, T]] = []
    open_at: dict[K, int] = {}
    last_of: dict[str, int] = {}
    for entry in entries:
        place = open_at.get(entry.key, -1)
        if place < last_of.get(entry.delivery_id, 0) or not groups[place].takes(entry.part):
            place = open_at[entry.key] = len(groups)
            groups.append(BurstGroup(entry.key))
        groups[place].add(entry)
        last_of[entry.delivery_id] = place
    return groups
