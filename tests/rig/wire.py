"""An emulated line for proxies: paces bytes both ways, follows a schedule of drops. No root, no namespaces.

Several proxies may share one wire, as AMQP and HTTP share a line. A stream cannot lose bytes, so a lost packet is what
TCP makes of it: a pause. A drop makes every connection deaf for ever, and none of them is told.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from rig.pipe import Pipe
from rig.profiles import HEADERS, MTU, Profile

SEGMENT = MTU - HEADERS
_UNBOUNDED = 1 << 60
_AHEAD = 3
"""Packets that may wait for the line, so that it is not idle while this process is kept from running."""


@dataclass(slots=True)
class Wire:
    """A line.

    Args:
        profile: what it is like; :meth:`Profile.faster` makes minutes seconds.
        seed: when it drops and what it loses.
        on_change: told whether it is up, whenever that changes.
    """

    profile: Profile
    seed: int
    on_change: Callable[[bool], None] = lambda _: None
    up: bool = True
    epoch: int = 0
    drops: int = 0
    down_pipe: Pipe = field(init=False)
    up_pipe: Pipe = field(init=False)

    def __post_init__(self) -> None:
        line = self.profile
        rates = (("down", line.down_rate), ("up", line.up_rate))
        self.down_pipe, self.up_pipe = (
            Pipe(rate, line.rtt / 2, _UNBOUNDED, 0.0, line.rng(self.seed, name)) for name, rate in rates
        )

    async def carry(self, size: int, *, down: bool) -> float:
        """Return when so many bytes have left, but for a few packets; the loop's time at which they arrive."""
        pipe = self.down_pipe if down else self.up_pipe
        now = asyncio.get_running_loop().time()
        packets = -(-size // SEGMENT)
        arrives = pipe.offer(now, size + packets * HEADERS)
        assert arrives is not None
        lost = sum(pipe.rng.random() < self.profile.loss for _ in range(packets))
        await asyncio.sleep(arrives - pipe.delay - now - _AHEAD * MTU * 8 / pipe.rate)
        return arrives + lost * 1.5 * self.profile.rtt

    def switch(self, *, up: bool) -> None:
        """Drop the line, or let it come up."""
        if up is not self.up:
            self.up = up
            self.epoch += not up
            self.drops += not up
            self.on_change(up)

    async def follow_schedule(self) -> None:
        """Go down and come up as the profile says; never returns."""
        clock = asyncio.get_running_loop().time
        began = clock()
        for moment in self.profile.changes(self.seed):
            await asyncio.sleep(began + moment - clock())
            self.switch(up=not self.up)
