"""What a line remembers of the TCP flows on it: when each was born, and how much it has sent to the unit."""

from collections.abc import Collection
from dataclasses import dataclass, field
from struct import Struct

_PORTS_SEQ = Struct(">HHI")
_TCP, _SYN, _ACK = 6, 0x02, 0x10
_WRAP = 1 << 32
FULL_SEGMENT = 1200
"""A packet of so many bytes from a port that serves payload is payload; answers' headers and handshakes, also those of
TLS, are shorter."""


@dataclass(slots=True)
class Flow:
    """One TCP connection: the epoch of the line it was born in, its server's port, the bytes sent to the unit once."""

    epoch: int
    port: int
    start: int | None = None
    sent: int = 0


@dataclass(slots=True)
class Flows:
    """All flows since the line was started; a flow older than the line's last drop is dead for ever.

    Args:
        payload_ports: of servers at the hub whose flows are counted in :attr:`payload_sent`.
    """

    payload_ports: Collection[int] = ()
    epoch: int = 0
    _now: dict[tuple[int, int], Flow] = field(default_factory=dict)
    _all: list[Flow] = field(default_factory=list)

    def passes(self, packet: bytes, *, down: bool) -> bool:
        """Whether a packet's flow is alive; notes flows that begin and what is sent to the unit."""
        if packet[9] != _TCP:
            return True
        at = (packet[0] & 0x0F) * 4
        source, target, seq = _PORTS_SEQ.unpack_from(packet, at)
        key = (target, source) if down else (source, target)
        flags = packet[at + 13]
        if flags & _SYN and not flags & _ACK:
            self._now[key] = flow = Flow(self.epoch, target)
            self._all.append(flow)
            return True
        found = self._now.get(key)
        if found is None:
            return False
        if down:
            _count(found, packet, at, seq, syn=bool(flags & _SYN))
        return found.epoch == self.epoch

    def is_payload(self, packet: bytes) -> bool:
        """Whether a packet to the unit carries bytes of a document."""
        if len(packet) < FULL_SEGMENT or packet[9] != _TCP:
            return False
        return _PORTS_SEQ.unpack_from(packet, (packet[0] & 0x0F) * 4)[0] in self.payload_ports

    @property
    def payload_sent(self) -> int:
        """Bytes of TCP that payload ports sent to the unit, each counted once per flow: what TCP repeats is no more."""
        return sum(flow.sent for flow in self._all if flow.port in self.payload_ports)

    @property
    def count(self) -> int:
        """Flows to payload ports."""
        return sum(flow.port in self.payload_ports for flow in self._all)


def _count(flow: Flow, packet: bytes, at: int, seq: int, *, syn: bool) -> None:
    if syn:
        flow.start = seq + 1
        return
    if flow.start is not None:
        size = len(packet) - at - (packet[at + 12] >> 4) * 4
        flow.sent = max(flow.sent, (seq + size - flow.start) % _WRAP) if size > 0 else flow.sent
