"""Where the line's hooks tell a running gateway that the line is up or down: a named pipe in its data directory.

A pipe, so that a shell script can write to it at once: ppp's hooks run on small computers, where starting Python takes
longer than AMQP does. Nothing is kept in it: a gateway that is started later finds out by itself.
"""

import asyncio
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from consumers.errors import GatewayStoppedError
from schemas.events import Event

log = structlog.get_logger()
FILE_NAME = "line"
UP, DOWN = b"up", b"down"
_MOST = 4096
_NOBODY_READS = {errno.ENXIO, errno.ENOENT}


@contextmanager
def listening(data_dir: Path, told: Callable[[bool], None]) -> Iterator[None]:
    """Call back with whether the line is up, whenever a hook says so, as long as the block runs."""
    path = data_dir / FILE_NAME
    if not path.is_fifo():
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
    pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)  # read and write: so it never reads an end of file
    loop = asyncio.get_running_loop()
    loop.add_reader(pipe, _read, pipe, told)
    try:
        yield
    finally:
        loop.remove_reader(pipe)
        os.close(pipe)


def tell(data_dir: Path, *, up: bool) -> None:
    """Tell the gateway of a data directory.

    Raises:
        GatewayStoppedError: none runs there.
    """
    try:
        pipe = os.open(data_dir / FILE_NAME, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in _NOBODY_READS:
            raise
        raise GatewayStoppedError(f"no gateway runs with {data_dir}; when it starts it finds out by itself") from error
    try:
        os.write(pipe, (UP if up else DOWN) + b"\n")
    finally:
        os.close(pipe)


def _read(pipe: int, told: Callable[[bool], None]) -> None:
    with suppress(BlockingIOError):
        words = os.read(pipe, _MOST).split()
        known = [word for word in words if word in {UP, DOWN}]
        if len(known) < len(words):
            log.warning(Event.HOOK_UNREADABLE, words=[word.decode(errors="replace") for word in words])
        if known:
            told(known[-1] == UP)
