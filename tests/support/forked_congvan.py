"""A ``congvan`` for a shell: it is forked from a process that has imported every command, and else the program itself.

A page's shell finds it on PATH. It gets the arguments, the environment, the folder, the streams and the signals of who
calls it; its exit code is the caller's. Only the imports are spared: a hundred commands take a minute for theirs.
"""

import contextlib
import importlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from support.conditions import until
from support.fork_server import LARGEST_REQUEST, become, frozen

_CALLER = Path(__file__).with_name("forked_caller.py")
_INSIDE = (*("consumers.cli.inbox", "consumers.cli.outbox", "deploy.commands.gateway_send"), "router.service")
"""What commands import when they are called."""


@contextlib.contextmanager
def forked_congvan(folder: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    """The folder for PATH in which ``congvan`` lies, as long as the block lasts.

    Args:
        folder: a new one is made in it.
        environment: of the process that is forked; a command has its caller's.
    """
    programs = folder / "forked"
    programs.mkdir()
    address, congvan = programs / "socket", programs / "congvan"
    congvan.write_text(f'#!/bin/sh\nexec {sys.executable} -IS {_CALLER} {address} "$@"\n', "utf-8")
    congvan.chmod(0o700)
    path = os.pathsep.join(entry for entry in sys.path if entry)
    with subprocess.Popen(
        [sys.executable, "-m", "support.forked_congvan", str(address)],
        env=dict(environment) | {"PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
    ) as server:
        try:
            until(address.exists, what="congvan can be forked")
            yield programs
        finally:
            server.kill()


def serve(address: str) -> None:
    """Fork for each caller, and again for the program; the program's process returns."""
    from deploy.main import MOUNTS

    for name in (*(mount.module for mount in MOUNTS), *_INSIDE):
        importlib.import_module(name)
    frozen()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(f"{address}.new")
        listener.listen(16)
        Path(f"{address}.new").rename(address)
        while True:
            caller = listener.accept()[0]
            if not os.fork():
                break
            caller.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request, streams, _, _ = socket.recv_fds(caller, LARGEST_REQUEST, 3)
    pid = os.fork()
    if not pid:
        caller.close()
        become(request, streams)
        return
    for stream in streams:
        os.close(stream)
    caller.send(str(pid).encode())
    caller.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
    os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1])
    from deploy.main import main

    main()
