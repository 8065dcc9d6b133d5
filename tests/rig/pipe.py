"""One direction of a line as a clock: when a packet that comes now is through, or that the modem's buffer is full.

Nothing is stored for that but the moment at which the sender is free again, so the emulation cannot lag behind.
"""

import random
from dataclasses import dataclass, field

from rig.profiles import PPP_BYTES


@dataclass(slots=True)
class Pipe:
    """A serial line's sender with its drop-tail buffer.

    Args:
        rate: bit/s.
        delay: seconds from the last bit's departure to its arrival.
        queue: bytes that may wait, headers of the line included.
        loss: share of packets that are spoilt on the way; they use the line all the same.
        rng: decides which.
        jitter: seconds, see :class:`rig.profiles.Profile`.

    Attributes:
        idle: seconds after a packet, before the next one, in which there was nothing to send.
    """

    rate: float
    delay: float
    queue: int
    loss: float
    rng: random.Random
    jitter: float = 0.0
    carried: int = 0
    refused: int = 0
    spoilt: int = 0
    most_waiting: float = 0.0
    idle: float = 0.0
    free_at: float = field(default=0.0)
    arrived: float = field(default=0.0)
    still_until: float = field(default=0.0)

    def offer(self, now: float, size: int) -> float | None:
        """Take a packet of ``size`` bytes; when it arrives, or None when it never does."""
        cost = size + PPP_BYTES
        waiting = self.waiting(now)
        if waiting + cost > self.queue:
            self.refused += 1
            return None
        self.most_waiting = max(self.most_waiting, waiting + cost)
        self.idle += max(now - self.free_at, 0.0) if self.free_at else 0.0
        self.free_at = max(self.free_at, now) + cost * 8 / self.rate
        self.carried += cost
        if self.loss and self.rng.random() < self.loss:
            self.spoilt += 1
            return None
        late = self.rng.uniform(0.0, self.jitter) if self.jitter else 0.0
        self.arrived = max(self.arrived, self.free_at + self.delay + late)
        return self.arrived

    def stall(self, now: float, seconds: float) -> None:
        """Let nothing more leave for so long; what waits stays."""
        self.free_at = max(self.free_at, now) + seconds
        self.still_until = max(self.still_until, now) + seconds

    def waiting(self, now: float) -> float:
        """Bytes that have not left yet."""
        return max(self.free_at - max(now, self.still_until), 0.0) * self.rate / 8

    def clear(self) -> None:
        """Forget what waits, as a modem that hangs up does."""
        self.free_at = self.still_until = 0.0
