"""Which publishes of one channel the broker has answered: pure bookkeeping, no I/O."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from router.broker.message import PublishOutcome

Ticket = TypeVar("Ticket")


@dataclass(slots=True)
class _Pending(Generic[Ticket]):
    message_id: str
    ticket: Ticket
    deadline: float
    returned: bool = False
    expired: bool = False


class Confirms(Generic[Ticket]):
    """Publishes on the wire by sequence number, as the broker counts them (from 1, per channel in confirm mode).

    Every publish is settled once: its ticket, whatever the caller put there, comes back with an outcome from exactly
    one of the methods. A publish that expired keeps its place (it is still on the wire and counts in ``len``) until the
    broker answers, so that a slow broker is not sent more and more.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._pending: dict[int, _Pending[Ticket]] = {}
        self._lowest = 1
        self._next = 1
        self._return_from = 1
        self._expired = 0

    def __len__(self) -> int:
        return len(self._pending)

    @property
    def live(self) -> int:
        """How many are on the wire and not expired."""
        return len(self._pending) - self._expired

    def sent(self, message_id: str, ticket: Ticket, deadline: float) -> int:
        """Count a publish and return its sequence number; ``deadline`` is in the caller's seconds."""
        seq = self._next
        self._next = seq + 1
        self._pending[seq] = _Pending(message_id, ticket, deadline)
        return seq

    def ack(self, tag: int, *, multiple: bool) -> list[tuple[Ticket, PublishOutcome]]:
        """The broker has taken one publish, or all up to it. What it returned before is RETURNED, not CONFIRMED."""
        return [
            (item.ticket, PublishOutcome.RETURNED if item.returned else PublishOutcome.CONFIRMED)
            for item in self._leave(tag, multiple=multiple)
        ]

    def nack(self, tag: int, *, multiple: bool) -> list[tuple[Ticket, PublishOutcome]]:
        """The broker could not take one publish, or all up to it."""
        return [(item.ticket, PublishOutcome.NACKED) for item in self._leave(tag, multiple=multiple)]

    def returned(self, message_id: str) -> bool:
        """Mark the oldest publish with this id as returned; its ack follows. False when there is none.

        Returns come in the order of publishing, so the search goes on where the last one ended.
        """
        for seq in range(max(self._return_from, self._lowest), self._next):
            item = self._pending.get(seq)
            if item is not None and item.message_id == message_id:
                item.returned = True
                self._return_from = seq + 1
                return True
        return False

    def expire(self, now: float) -> list[Ticket]:
        """The tickets of what should have been confirmed by now; a later confirm of theirs is ignored."""
        late = [item for item in self._pending.values() if item.deadline <= now and not item.expired]
        for item in late:
            item.expired = True
        self._expired += len(late)
        return [item.ticket for item in late]

    def lose_all(self) -> list[Ticket]:
        """The channel is gone: the tickets of all that was on the wire. Counting starts anew with the next channel."""
        lost = [item.ticket for item in self._pending.values() if not item.expired]
        self._begin()
        return lost

    def _leave(self, tag: int, *, multiple: bool) -> Iterable[_Pending[Ticket]]:
        seqs = range(self._lowest, tag + 1) if multiple else (tag,)
        if multiple and tag >= self._lowest:
            self._lowest = tag + 1
        gone = [item for item in map(self._pop, seqs) if item is not None]
        live = [item for item in gone if not item.expired]
        self._expired -= len(gone) - len(live)
        return live

    def _pop(self, seq: int) -> _Pending[Ticket] | None:
        return self._pending.pop(seq, None)
