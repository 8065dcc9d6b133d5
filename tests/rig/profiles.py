"""The lines that the rig emulates, as values, and when each is down: a schedule drawn from a seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, count, cycle
from typing import Self

PPP_BYTES = 7
"""A PPP frame round an IP packet: address, control, protocol (2), check (2) and one flag between two frames."""
MTU = 1500
HEADERS = 52
"""IP and TCP with time stamps."""
CEILING = (MTU - HEADERS) / (MTU + PPP_BYTES)
"""The share of a line's rate that a perfect TCP transfer gets: 0.961."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A line. Rates in bit/s, times in seconds, sizes in bytes, loss as a share of packets.

    Attributes:
        up_for: the line stands for so long (shortest, longest) between two drops; None: it never drops.
        redial: how long it is down.
        queue: the modem's buffer, for each direction; what does not fit is lost.
        jitter: a packet takes up to so much longer; none overtakes another.
        largest: bytes of the largest packet that gets through; larger ones vanish, and nobody is told. 0: all do.
        stall_every: the sender stands still for ``stall_for`` after so long (shortest, longest), and loses nothing.
    """

    name: str
    down_rate: float
    up_rate: float
    rtt: float
    loss: float = 0.0
    up_for: tuple[float, float] | None = None
    redial: float = 25.0
    queue: int = 24_000
    jitter: float = 0.0
    stall_every: tuple[float, float] | None = None
    stall_for: float = 0.0
    largest: int = 0

    @property
    def thin(self) -> bool:
        """So slow that other transfers of the same machine do not disturb it."""
        return self.down_rate < 1_000_000

    def faster(self, scale: float) -> Self:
        """The same line with everything happening ``scale`` times as fast."""
        return replace(
            self,
            down_rate=self.down_rate * scale,
            up_rate=self.up_rate * scale,
            rtt=self.rtt / scale,
            redial=self.redial / scale,
            up_for=self.up_for and (self.up_for[0] / scale, self.up_for[1] / scale),
            jitter=self.jitter / scale,
            stall_every=self.stall_every and (self.stall_every[0] / scale, self.stall_every[1] / scale),
            stall_for=self.stall_for / scale,
        )

    def changes(self, seed: int) -> Iterator[float]:
        """The moments, in seconds from the start, at which the line goes down, comes up, goes down, …"""
        if self.up_for is None:
            return iter(())
        rng, (shortest, longest) = random.Random(f"{seed} drops"), self.up_for
        return accumulate(rng.uniform(shortest, longest) if up else self.redial for up in cycle((True, False)))

    def stalls(self, seed: int) -> Iterator[float]:
        """The moments, in seconds from the start, at which the sender stands still."""
        if self.stall_every is None:
            return iter(())
        rng, (shortest, longest) = random.Random(f"{seed} stalls"), self.stall_every
        return accumulate(rng.uniform(shortest, longest) for _ in count())

    def rng(self, seed: int, direction: str) -> random.Random:
        """Which packets of a direction are lost."""
        return random.Random(f"{seed} {direction}")


_A = Profile("A", 33_600, 33_600, rtt=0.2, loss=0.005, up_for=(120.0, 240.0))
PROFILES = {
    profile.name: profile
    for profile in (
        _A,
        Profile("B", 45_000, 33_600, rtt=0.3, loss=0.01),
        replace(_A, name="C", up_for=None),
        Profile("D", 2_000_000, 2_000_000, rtt=0.04, queue=64_000),
        Profile("E", 100_000_000, 100_000_000, rtt=0.001, queue=256_000),
        Profile("EDGE", 120_000, 60_000, 0.7, 0.03, jitter=0.3, stall_every=(20.0, 60.0), stall_for=8.0),
        Profile("VSAT", 512_000, 128_000, rtt=0.6, loss=0.002, queue=64_000),
        replace(_A, name="HOLE", up_for=None, largest=1300),
        replace(_A, name="FLAP", up_for=(15.0, 15.0), redial=15.0),
    )
}
