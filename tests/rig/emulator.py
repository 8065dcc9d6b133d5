"""One emulated line: both pipes, the flows on it, its schedule of drops; packets in, packets out, no I/O of its own."""

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from rig.flows import Flows
from rig.pipe import Pipe
from rig.profiles import Profile

Write = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Change:
    """The line went down or came up; ``at`` in UTC milliseconds."""

    up: bool
    at: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What has happened on a line since it was started. Bytes are those on the wire, PPP included.

    Attributes:
        changes: when it went down and came up, the start (up) first; UTC milliseconds.
        first_payload: for each time it came up, when the first payload reached the unit (0: none did).
        down_idle: see :class:`rig.pipe.Pipe`.
        payload_sent: see :attr:`rig.flows.Flows.payload_sent`.
    """

    changes: list[Change]
    first_payload: list[int]
    payload_sent: int
    flows: int
    down_bytes: int
    up_bytes: int
    refused: int
    spoilt: int
    most_waiting: int
    down_idle: float


@dataclass(slots=True)
class Emulator:
    """A line of a profile.

    Args:
        profile: what it is like.
        seed: when it drops and which packets it loses.
        to_unit: writes a packet that has come through, to the unit's end.
        to_hub: the same to the hub's end.
        payload_ports: of servers at the hub.
        now: the clock's reading at the start, in seconds (monotonic).
    """

    profile: Profile
    seed: int
    to_unit: Write
    to_hub: Write
    payload_ports: Collection[int]
    now: float
    up: bool = True
    changes: list[Change] = field(default_factory=list)
    first_payload: list[int] = field(default_factory=list)
    flows: Flows = field(init=False)
    _pipes: tuple[Pipe, Pipe] = field(init=False)
    _under_way: tuple[deque[tuple[float, bytes]], deque[tuple[float, bytes]]] = field(init=False)
    _schedule: Iterator[float] = field(init=False)
    _next_change: float | None = field(init=False)
    _stalls: Iterator[float] = field(init=False)
    _next_stall: float | None = field(init=False)
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        line = self.profile
        self.flows = Flows(frozenset(self.payload_ports))
        rates = {"down": line.down_rate, "up": line.up_rate}
        down, up = (
            Pipe(rate, line.rtt / 2, line.queue, line.loss, line.rng(self.seed, name), line.jitter)
            for name, rate in rates.items()
        )
        self._pipes, self._under_way = (down, up), (deque(), deque())
        self._started, self._schedule = self.now, line.changes(self.seed)
        self._stalls = line.stalls(self.seed)
        self._next_stall = self._moment(self._stalls)
        self._plan()
        self._note(up=True)

    def take(self, packet: bytes, now: float, *, down: bool) -> None:
        """A packet enters the line at one end."""
        fits = not self.profile.largest or len(packet) <= self.profile.largest
        if self.flows.passes(packet, down=down) and self.up and fits:
            arrives = self._pipes[0 if down else 1].offer(now, len(packet))
            if arrives is not None:
                self._under_way[0 if down else 1].append((arrives, packet))

    def turn(self, now: float) -> list[Change]:
        """Hand out what has come through, and change the state when it is time; the changes that were made."""
        self._hand_out(now)
        made = []
        while self._next_stall is not None and now >= self._next_stall:
            for pipe in self._pipes:
                pipe.stall(now, self.profile.stall_for)
            self._next_stall = self._moment(self._stalls)
        while self._next_change is not None and now >= self._next_change:
            made.append(self.switch(up=not self.up))
            self._plan()
        return made

    def switch(self, *, up: bool) -> Change:
        """Drop the line with all that is on it, or let it come up."""
        self.up = up
        for pipe, packets in zip(self._pipes, self._under_way, strict=True):
            pipe.clear()
            packets.clear()
        self.flows.epoch += not up
        return self._note(up=up)

    def wake_at(self) -> float | None:
        """When :meth:`turn` has something to do, if nothing enters before."""
        moments = [packets[0][0] for packets in self._under_way if packets]
        moments += [moment for moment in (self._next_change, self._next_stall) if moment is not None]
        return min(moments, default=None)

    def standing(self) -> Standing:
        """The figures so far."""
        down, up = self._pipes
        return Standing(
            changes=list(self.changes),
            first_payload=list(self.first_payload),
            payload_sent=self.flows.payload_sent,
            flows=self.flows.count,
            down_bytes=down.carried,
            up_bytes=up.carried,
            refused=down.refused + up.refused,
            spoilt=down.spoilt + up.spoilt,
            most_waiting=round(max(down.most_waiting, up.most_waiting)),
            down_idle=down.idle,
        )

    def _hand_out(self, now: float) -> None:
        to_unit, to_hub = self._under_way
        while to_unit and to_unit[0][0] <= now:
            packet = to_unit.popleft()[1]
            self.to_unit(packet)
            if not self.first_payload[-1] and self.flows.is_payload(packet):
                self.first_payload[-1] = _wall_ms()
        while to_hub and to_hub[0][0] <= now:
            self.to_hub(to_hub.popleft()[1])

    def _note(self, *, up: bool) -> Change:
        self.changes.append(Change(up, _wall_ms()))
        if up:
            self.first_payload.append(0)
        return self.changes[-1]

    def _plan(self) -> None:
        self._next_change = self._moment(self._schedule)

    def _moment(self, schedule: Iterator[float]) -> float | None:
        after = next(schedule, None)
        return None if after is None else self._started + after


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
