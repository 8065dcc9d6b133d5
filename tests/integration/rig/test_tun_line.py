"""The rig measured by what is known beforehand: a plain TCP transfer, a round trip, a buffer that fills."""

import errno
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig import namespaces
from rig.namespaces import NoNamespacesError, inside, within
from rig.profiles import CEILING, PROFILES, Profile
from rig.tun import TunLine, TunRig, tun_rig
from support.conditions import until

QUICK = Profile("quick", 336_000, 336_000, rtt=0.1)
"""Ten times the modem's rate, so that a megabyte takes 25 s and half of one is enough."""
EVERYWHERE = "0.0.0.0"  # noqa: S104 - in a namespace of our own
SERVE = """
import socket, sys
server = socket.create_server(("0.0.0.0", 9000))
print("listens", flush=True)
connection = server.accept()[0]
connection.sendall(bytes(int(sys.argv[1])))
connection.close()
"""
FETCH = """
import socket, sys, time
began, count = time.monotonic(), 0
connection = socket.create_connection((sys.argv[1], 9000))
while data := connection.recv(65536):
    count += len(data)
print(count, time.monotonic() - began)
"""
OWN = """
import time
from rig.tun import tun_rig
with tun_rig() as rig:
    print(rig.owner, flush=True)
    time.sleep(99)
"""


@pytest.fixture(scope="module")
def rig() -> Iterator[TunRig]:
    try:
        with tun_rig() as made:
            yield made
    except NoNamespacesError as error:
        pytest.skip(f"an emulated line needs namespaces: {error}")


def transfer(rig: TunRig, line: TunLine, size: int) -> float:
    """Seconds of a plain transfer to the unit."""
    server = subprocess.Popen(
        within(rig.hub, [sys.executable, "-c", SERVE, str(size)]), stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        server.stdout.readline()
        command = line.within([sys.executable, "-c", FETCH, line.hub_address])
        count, seconds = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    finally:
        server.kill()
        server.communicate()
    assert int(count) == size
    return float(seconds)


@pytest.mark.parametrize(("profile", "size"), [(QUICK, 400_000), (PROFILES["D"], 3_000_000)], ids=["thin", "D"])
def test_a_plain_transfer_gets_what_the_headers_leave_of_the_rate(rig: TunRig, profile: Profile, size: int) -> None:
    line = rig.lines[0]
    line.start(profile, 1, payload_ports=[9000])
    seconds = transfer(rig, line, size)
    standing = line.standing()
    assert size / (seconds - standing.down_idle) == pytest.approx(CEILING * profile.down_rate / 8, rel=0.05)
    assert standing.payload_sent == size
    assert standing.most_waiting <= profile.queue


def test_a_round_trip_takes_the_lines_delay(rig: TunRig) -> None:
    line = rig.lines[0]
    line.start(PROFILES["C"], 2)
    seconds = min(connect_seconds(line) for _ in range(3))
    assert seconds == pytest.approx(0.2 + (67 + 47) * 8 / 33_600, rel=0.15)  # a SYN and its refusal, as PPP frames


def connect_seconds(line: TunLine) -> float:
    """How long a closed port of the hub takes to refuse a connection."""
    with inside(line.namespace), socket.socket() as made:
        began = time.monotonic()
        assert made.connect_ex((line.hub_address, 1)) == errno.ECONNREFUSED
        return time.monotonic() - began


def test_what_does_not_fit_into_the_modem_is_lost(rig: TunRig) -> None:
    line = rig.lines[0]
    line.start(PROFILES["C"], 1)
    flood = "import socket,sys; s=socket.socket(2,2); [s.sendto(bytes(1000),(sys.argv[1],9)) for _ in range(60)]"
    with inside(rig.hub):
        subprocess.run([sys.executable, "-c", flood, line.unit_address], check=True)
    time.sleep(0.2)
    standing = line.standing()
    assert 22_000 < standing.most_waiting <= 24_000
    assert standing.refused >= 60 - 24_000 // 1000


def test_a_drop_kills_the_flows_that_stood_and_no_others(rig: TunRig) -> None:
    line = rig.lines[0]
    line.start(QUICK, 1)
    with inside(rig.hub):
        server = socket.create_server((EVERYWHERE, 9001))
    with server, inside(line.namespace):
        old = socket.create_connection((line.hub_address, 9001), timeout=10)
        accepted, _ = server.accept()
        accepted.sendall(b"before")
        assert old.recv(100) == b"before"
        line.switch(up=False)
        accepted.sendall(b"lost")
        line.switch(up=True)
        new = socket.create_connection((line.hub_address, 9001), timeout=10)
        fresh, _ = server.accept()
        fresh.sendall(b"after")
        assert new.recv(100) == b"after"
        old.settimeout(2)
        with pytest.raises(TimeoutError):
            old.recv(100)
        for connection in (old, new, accepted, fresh):
            connection.close()
    assert [change.up for change in line.standing().changes] == [True, False, True]


def test_a_line_drops_and_comes_back_when_its_seed_says_and_never_before(rig: TunRig) -> None:
    line, profile = rig.lines[0], PROFILES["A"].faster(400)
    planned = list(itertools.islice(profile.changes(7), 3))
    assert planned == list(itertools.islice(profile.changes(7), 3)) != list(itertools.islice(profile.changes(8), 3))
    line.start(profile, 7)
    until(lambda: len(line.standing().changes) > len(planned), what="it dropped, came back and dropped")
    start, *changes = line.standing().changes[: 1 + len(planned)]
    assert [change.up for change in (start, *changes)] == [True, False, True, False]
    early = [change for change, at in zip(changes, planned, strict=True) if change.at - start.at < at * 1000 - 1]
    assert early == []


def test_a_killed_run_leaves_no_namespace() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, "-c", OWN], stdout=subprocess.PIPE, text=True, env=environment) as run:
        assert run.stdout is not None
        owner = run.stdout.readline().strip()
        if not owner:
            pytest.skip("an emulated line needs namespaces")
        assert f"cvrig-{owner}-" in namespaces.ip("netns", "list")
        run.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while f"cvrig-{owner}-" in namespaces.ip("netns", "list"):
        assert time.monotonic() < deadline, "the namespaces stay"
        time.sleep(0.05)
