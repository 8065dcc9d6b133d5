"""Becomes another program that dies with its parent: ``python _leash.py PARENT_PID PROGRAM ARGUMENT…``.

A program of its own, because the death signal has to be asked for between fork and exec, where a process with threads
must not run Python. The kernel keeps it over the exec (``PR_SET_PDEATHSIG``, prctl(2)).
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent_pid: str, program: str, *arguments: str) -> None:
    """Ask for the signal, see that the parent is still there, and become the program."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent_pid):
        sys.exit("the parent is gone already")
    os.execv(program, [program, *arguments])  # noqa: S606 - without a shell is what is wanted


if __name__ == "__main__":
    main(*sys.argv[1:])
