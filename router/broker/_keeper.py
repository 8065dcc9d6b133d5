"""The private node's keeper: starts epmd and the broker as its children and ends them when its parent is gone.

A program of its own (``python _keeper.py EPMD EPMD_PORT SERVER FILE_HANDLES``), single-threaded when it forks, so that
the death signal of its children hangs on its life alone: the kernel sends that signal when the *thread* that forked
ends, which in the router may be any short-lived one. The chain holds at each link:

- the parent dies, even by kill -9: the pipe on standard input ends, the keeper kills both children and reaps them;
- the keeper dies, even by kill -9: the kernel kills both children (``PR_SET_PDEATHSIG`` survives the exec of shell,
  erl and beam);
- SIGTERM to the keeper stops the broker in good order.

The broker may open as many files as the last argument says: a shell's 1,024 hold 230 units (see
:mod:`router.broker.topology.capacity`).
"""

import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
from types import FrameType

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def _spawn(command: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509 - no threads yet
    )


def _kill_when_parent_is_gone(broker: "subprocess.Popen[bytes]") -> None:
    while os.read(0, 1):
        pass
    broker.kill()


def main(epmd: str, epmd_port: str, server: str, file_handles: str) -> int:
    """Run until the broker ends; its exit status, negative for a signal."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(file_handles), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    mapper = _spawn([epmd, "-address", "127.0.0.1", "-port", epmd_port])
    # The shell script becomes erl, then beam.smp, by exec: the child we know is the virtual machine itself.
    broker = _spawn([server, "-noinput"])

    def stop_in_order(_signal: int, _frame: FrameType | None) -> None:
        broker.terminate()

    signal.signal(signal.SIGTERM, stop_in_order)
    threading.Thread(target=_kill_when_parent_is_gone, args=(broker,), daemon=True).start()
    try:
        return broker.wait()
    finally:
        mapper.kill()
        mapper.wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
