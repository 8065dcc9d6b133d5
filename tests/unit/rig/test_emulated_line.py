"""What an emulated line does with packets, by a clock of the test's own."""

import struct
from dataclasses import replace

from rig.emulator import Emulator
from rig.profiles import PROFILES, Profile

SERVER, CLIENT = 443, 50_000
LINE = replace(PROFILES["C"], loss=0.0)


def a_packet(size: int, *, down: bool, syn: bool = False) -> bytes:
    """An IPv4 packet of TCP."""
    ports = (SERVER, CLIENT) if down else (CLIENT, SERVER)
    tcp = struct.pack(">HHIIBB", *ports, 1, 1, 5 << 4, 0x02 if syn else 0x10).ljust(20, b"\0")
    head = bytes([0x45]).ljust(9, b"\0") + bytes([6])
    return (head.ljust(20, b"\0") + tcp).ljust(size, b"\0")


def a_line(profile: Profile) -> tuple[Emulator, list[int]]:
    """A line on which a connection stands, and the sizes of what reached its unit."""
    came: list[int] = []
    made = Emulator(profile, 1, lambda packet: came.append(len(packet)), lambda _: None, [SERVER], 0.0)
    made.take(a_packet(40, down=False, syn=True), 0.0, down=False)
    return made, came


def test_what_is_larger_than_the_line_lets_through_vanishes() -> None:
    for largest, expected in ((0, [1500, 1300, 1301, 40]), (1300, [1300, 40])):
        line, came = a_line(replace(LINE, largest=largest))
        for size in (1500, 1300, 1301, 40):
            line.take(a_packet(size, down=True), 1.0, down=True)
        line.turn(60.0)
        assert came == expected


def test_a_stall_holds_up_what_comes_after_it_and_loses_nothing() -> None:
    line, came = a_line(replace(LINE, stall_every=(10.0, 10.0), stall_for=8.0))
    line.turn(10.0)
    line.take(a_packet(1500, down=True), 10.0, down=True)
    line.turn(18.0)
    assert came == []
    line.turn(19.0)
    assert came == [1500]
