"""The TUN rig's own process: one loop moves the packets of all lines. ``python scheduler.py OWNER COUNT``.

It makes a namespace for the hub and one for each unit, a TUN pair between hub and unit, and removes them at the end.
Commands come as JSON lines on standard input, answers and changes of the lines go out on standard output. When the
input ends without ``close``, the owner was killed: what it left in the namespaces is killed as well.
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import struct
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from rig import namespaces
from rig.emulator import Emulator
from rig.names import hub_address, hub_name, unit_address, unit_name
from rig.profiles import MTU, Profile

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_AT_ONCE = 64
"""Packets read from one end before it is the next one's turn."""


@dataclass(slots=True)
class Ends:
    """A TUN pair's file descriptors and what is between them; nothing while the line is not started."""

    hub: int
    unit: int
    line: Emulator | None = None


class Scheduler:
    """Moves packets between the ends of all lines."""

    def __init__(self, ends: list[Ends]) -> None:
        self._ends = ends
        self._side = {end.hub: (end, True) for end in ends} | {end.unit: (end, False) for end in ends}
        self._commands = b""
        self.closed = False

    def run(self) -> None:
        """Until ``close`` or the end of the input."""
        poll = [*self._side, 0]
        while True:
            ready, _, _ = select.select(poll, [], [], self._pause())
            for fd in ready:
                if fd == 0:
                    if not self._obey():
                        return
                else:
                    self._read(fd)
            now = time.monotonic()
            for number, end in enumerate(self._ends):
                for change in end.line.turn(now) if end.line else ():
                    _say({"line": number, "change": asdict(change)})

    def _pause(self) -> float | None:
        moments = [moment for end in self._ends if end.line and (moment := end.line.wake_at()) is not None]
        return max(min(moments) - time.monotonic(), 0.0) if moments else None

    def _read(self, fd: int) -> None:
        end, down = self._side[fd]
        with contextlib.suppress(BlockingIOError):
            for _ in range(_AT_ONCE):
                packet = os.read(fd, MTU + 100)
                if end.line is not None and packet[0] >> 4 == 4:
                    end.line.take(packet, time.monotonic(), down=down)

    def _obey(self) -> bool:
        data = os.read(0, 65536)
        *lines, self._commands = (self._commands + data).split(b"\n")
        for line in lines:
            command = json.loads(line)
            if command["do"] == "close":
                self.closed = True
                return False
            _say({"line": command["line"], "answer": self._do(self._ends[command["line"]], command)})
        return bool(data)

    def _do(self, end: Ends, command: dict[str, Any]) -> dict[str, Any] | None:
        if command["do"] == "start":
            profile = Profile(**command["profile"])
            end.line = Emulator(
                profile, command["seed"], _to(end.unit), _to(end.hub), command["ports"], time.monotonic()
            )
        elif command["do"] == "stop":
            end.line = None
        elif end.line is not None and command["do"] == "switch":
            return asdict(end.line.switch(up=command["up"]))
        elif end.line is not None and command["do"] == "standing":
            return asdict(end.line.standing())
        return None


def _to(fd: int) -> Any:
    def write(packet: bytes) -> None:
        with contextlib.suppress(OSError):  # the kernel's own queue is full: a lost packet
            os.write(fd, packet)

    return write


def _say(message: dict[str, Any]) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


def _tun(namespace: str, name: str, own: str, peer: str) -> int:
    with namespaces.inside(namespace):
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    namespaces.ip("-n", namespace, "addr", "add", own, "peer", peer, "dev", name)
    namespaces.ip("-n", namespace, "link", "set", name, "up", "mtu", str(MTU))
    return fd


def main(owner: int, count: int) -> None:
    """Make everything, run, remove everything."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C at the terminal is the owner's to handle
    names = [hub_name(owner), *(unit_name(owner, number) for number in range(count))]
    scheduler = None
    try:
        for name in names:
            namespaces.add(name)
        ends = []
        for number in range(count):
            hub, unit = hub_address(number), unit_address(number)
            ends.append(
                Ends(
                    _tun(names[0], f"line{number}", hub, unit),
                    _tun(names[number + 1], "line", unit, hub),
                )
            )
        scheduler = Scheduler(ends)
        _say({"ready": True})
        scheduler.run()
    finally:
        for name in names:
            namespaces.remove(name, kill=scheduler is not None and not scheduler.closed)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
