"""What the kernel knows of a TCP connection (``struct tcp_info``, linux/tcp.h; all of it since Linux 4.9).

A program sees bytes when it can use them: of a TLS record when the whole of it has come, four seconds at 33.6 kbit/s.
The kernel sees every segment, also an acknowledgement alone; so it knows sooner, and longer, that a line lives.
"""

import socket
import sys
from typing import NamedTuple

_ESTABLISHED = 1
_STATE = slice(0, 1)
_LAST_DATA = slice(52, 56)
_LAST_ACK = slice(56, 60)
_BYTES_ACKED = slice(120, 128)
_BYTES_RECEIVED = slice(128, 136)
_MIN_RTT = slice(148, 152)


class TcpInfo(NamedTuple):
    """A connection as its kernel sees it.

    Attributes:
        quiet: seconds since any segment came from the other side.
        sent: bytes that the other side has acknowledged.
        received: bytes that have come, in order.
        round_trip: the shortest one seen, in seconds; 0 while there was none.
    """

    quiet: float
    sent: int
    received: int
    round_trip: float

    @property
    def moved(self) -> int:
        """Bytes that went or came."""
        return self.sent + self.received


def tcp_info(made: socket.socket | None) -> TcpInfo | None:
    """Ask the kernel; None: there is no connection, not yet or no longer."""
    if made is None:
        return None
    try:
        info = made.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _MIN_RTT.stop)
    except OSError:
        return None
    if _number(info[_STATE]) != _ESTABLISHED:
        return None
    quiet = min(_number(info[_LAST_DATA]), _number(info[_LAST_ACK])) / 1000
    round_trip = _number(info[_MIN_RTT]) / 1_000_000
    return TcpInfo(quiet, _number(info[_BYTES_ACKED]), _number(info[_BYTES_RECEIVED]), round_trip)


def _number(field: bytes) -> int:
    return int.from_bytes(field, sys.byteorder)
