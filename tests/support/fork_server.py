"""Starts ``congvan router`` and ``congvan gateway run`` by forking a process that has imported them already.

What runs is the program from its ``main`` on, in a process of its own that can be killed, with the arguments, the
environment and the output that it is given. Only the imports are spared: two seconds of a processor for each start of
a router, and hundreds are started. ``congvan up``, the demo and the quickstart's commands start programs as users do.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

PRELOADED = (
    *("deploy.main", "deploy.commands.router", "router.service"),
    *("deploy.commands.gateway", "consumers.gateway", "uvloop"),
    *("deploy.commands.desk", "consumers.desk.service"),
)
LARGEST_REQUEST = 1024 * 1024
_OF_THE_INTERPRETER = ("PYTHON", "LD_", "FAKETIME", "MALLOC_")
"""What has to be there when a program is loaded."""


class Forked:
    """A program that runs, as :class:`subprocess.Popen` tells of one."""

    def __init__(self, server: "ForkServer", pid: int) -> None:
        self._server = server
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None: it runs."""
        return self._server.look(self, 0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, as soon as it has one."""
        code = self._server.look(self, timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it is known to have ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """The process that is forked; it ends with this one."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "support.fork_server", str(theirs.fileno())]
        path = os.pathsep.join(entry for entry in sys.path if entry)
        environment = os.environ | {"PYTHONPATH": path}
        with theirs:
            self._process = subprocess.Popen(
                command, env=environment, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
            )
        self._socket = ours
        self._lock = threading.RLock()
        self._ended: dict[int, int] = {}

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], out: BinaryIO) -> Forked:
        """Start ``congvan`` with arguments; what it prints goes to a file."""
        request = json.dumps({"arguments": list(arguments), "environment": dict(environment), "cwd": str(Path.cwd())})
        with self._lock:
            socket.send_fds(self._socket, [request.encode()], [out.fileno()])
            while "pid" not in (told := self._receive(None) or {}):
                self._note(told)
            return Forked(self, told["pid"])

    def look(self, program: Forked, within: float | None) -> int | None:
        """The exit code of a program that ends within so many seconds."""
        deadline = None if within is None else time.monotonic() + within
        while program.returncode is None:
            with self._lock:
                left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
                if program.pid in self._ended:
                    program.returncode = self._ended.pop(program.pid)
                elif (told := self._receive(left)) is not None:
                    self._note(told)
                elif left == 0.0:
                    return None
        return program.returncode

    def _receive(self, within: float | None) -> dict[str, Any] | None:
        if not select.select([self._socket], [], [], within)[0]:
            return None
        told = self._socket.recv(LARGEST_REQUEST)
        assert told, "the fork server has ended"
        found: dict[str, Any] = json.loads(told)
        return found

    def _note(self, told: Mapping[str, Any]) -> None:
        if "ended" in told:
            self._ended[told["ended"]] = told["code"]


@cache
def fork_server() -> ForkServer:
    """The one of this process, started when it is first asked for."""
    return ForkServer()


def may_be_forked(environment: Mapping[str, str]) -> bool:
    """Whether a program with this environment may be forked: nothing in it is for the interpreter or the loader."""
    own = {name: value for name, value in environment.items() if os.environ.get(name) != value}
    return not any(name.startswith(_OF_THE_INTERPRETER) for name in own)


def serve(server: socket.socket) -> None:
    """Fork for each request and tell of each child that has ended; a child returns, and goes on as a program."""
    for name in PRELOADED:
        importlib.import_module(name)
    frozen()
    wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.set_wakeup_fd(woken)
    children: set[int] = set()
    while True:
        ready, _, _ = select.select([server.fileno(), wake], [], [])
        if wake in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wake, 4096)
        _tell_ended(server, children)
        if server.fileno() not in ready:
            continue
        request, fds, _, _ = socket.recv_fds(server, LARGEST_REQUEST, 1)
        if not request:
            _end(children)
        pid = os.fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            for end in (wake, woken):
                os.close(end)
            server.close()
            become(request, [0, fds[0], fds[0]])
            return
        children.add(pid)
        os.close(fds[0])
        server.send(json.dumps({"pid": pid}).encode())


def _tell_ended(server: socket.socket, children: set[int]) -> None:
    for pid in list(children):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            children.discard(pid)
            server.send(json.dumps({"ended": pid, "code": os.waitstatus_to_exitcode(status)}).encode())


def _end(children: set[int]) -> NoReturn:
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    sys.exit(0)


def frozen() -> None:
    """Have the collector of cycles leave alone what is imported: children share its memory, and end without a walk
    through it, which takes a second.
    """
    gc.collect()
    gc.freeze()


def become(request: bytes, streams: Sequence[int]) -> None:
    """Make this process what was asked for, up to its call of ``main``.

    Args:
        request: arguments, environment and folder, as JSON.
        streams: descriptors of its standard input, output and error output.
    """
    asked = json.loads(request)
    for stream, given in enumerate(streams):
        os.dup2(given, stream)
    for given in set(streams) - {0, 1, 2}:
        os.close(given)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    time.tzset()
    for number in (signal.SIGCHLD, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)
    sys.argv = ["congvan", *asked["arguments"]]


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
    from deploy.main import main

    main()
