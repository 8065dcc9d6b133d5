"""What a shell starts as ``congvan``: has the program forked, passes signals on to it, and ends as it ends.

It imports little on purpose: it is started for each command.
"""

import json
import os
import signal
import socket
import sys


def main() -> int:
    """The exit code of the program, as a shell has it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.connect(sys.argv[1])
        request = {"arguments": sys.argv[2:], "environment": dict(os.environ), "cwd": os.getcwd()}  # noqa: PTH109 - pathlib is slow to import
        socket.send_fds(server, [json.dumps(request).encode()], [0, 1, 2])
        pid = int(server.recv(32))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda got, _: os.kill(pid, got))
        code = int(server.recv(32))
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
