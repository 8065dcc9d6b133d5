"""Network namespaces of our own: made, entered, removed, also those that a killed run has left."""

import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

PREFIX = "cvrig"
_HERE = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_CONGESTION = "reno"
"""In every kernel and allowed in every namespace; some machines have BBR as their default, which hides lost packets."""
_libc = ctypes.CDLL(None, use_errno=True)


class NoNamespacesError(Exception):
    """Namespaces or TUN devices cannot be had here; the message says why."""


def require() -> None:
    """Check that the machine lets us emulate a line.

    Raises:
        NoNamespacesError: it does not.
    """
    if os.geteuid() != 0:
        raise NoNamespacesError("making network namespaces needs root")
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        raise NoNamespacesError("/dev/net/tun is not there or not usable")
    probe = f"{PREFIX}-{os.getpid()}-probe"
    try:
        add(probe)
    except FileNotFoundError as error:
        raise NoNamespacesError("iproute2's command ip is missing") from error
    except subprocess.CalledProcessError as error:
        raise NoNamespacesError(f"ip netns add: {error.stderr.strip()}") from error
    remove(probe)


def add(name: str) -> None:
    """Make a namespace whose loopback is up, and whose TCP is the same on every machine."""
    ip("netns", "add", name)
    ip("-n", name, "link", "set", "lo", "up")
    ip("netns", "exec", name, "sh", "-c", f"echo {_CONGESTION} > /proc/sys/net/ipv4/tcp_congestion_control")


def remove(name: str, *, kill: bool = False) -> None:
    """Remove a namespace; with ``kill`` the processes that are left in it end, too."""
    if kill:
        for pid in ip("netns", "pids", name).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def sweep() -> None:
    """Remove what runs of the rig have left whose process is gone."""
    for entry in _HERE.iterdir() if _HERE.is_dir() else ():
        prefix, _, rest = entry.name.partition("-")
        owner = rest.partition("-")[0]
        if prefix == PREFIX and owner.isdigit() and not Path(f"/proc/{owner}").exists():
            remove(entry.name, kill=True)


@contextlib.contextmanager
def inside(name: str) -> Iterator[None]:
    """Put this thread into a namespace; threads and processes that it starts meanwhile are born there.

    Raises:
        OSError: the kernel does not let us.
    """
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with (_HERE / name).open("rb") as there:
            _enter(there.fileno())
        try:
            yield
        finally:
            _enter(home)
    finally:
        os.close(home)


def within(name: str, command: list[str]) -> list[str]:
    """The command as a process of a namespace."""
    return ["ip", "netns", "exec", name, *command]


def ip(*arguments: str) -> str:
    """Run iproute2; what it printed."""
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True).stdout


def _enter(fd: int) -> None:
    if _libc.setns(fd, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
