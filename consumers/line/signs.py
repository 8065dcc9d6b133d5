"""Signs of life: who is asked whether a silent line is dead.

Silence proves nothing. A TLS record of 16 kB takes four seconds at 33.6 kbit/s and cannot be read before; a radio cell
stalls for ten. So nothing that stands is given up for its silence alone, but only when nobody answers on it while a new
connection is answered.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog

from consumers.line.names import Names
from schemas.events import Event

log = structlog.get_logger()
PROBE_WITHIN = 3.0
"""Seconds that a new connection gets to be answered: a lost SYN is sent again after one."""
_PORTS = {"http": 80, "https": 443}


async def _somebody_answers() -> bool:
    return True


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Signs:
    """Whom to ask.

    Attributes:
        probe: whether the router's machine answers a new connection.
        ask_broker: has the broker's machine acknowledge something on the connection that stands.
        broker_quiet: seconds since the broker's machine was heard on it.
        trouble: what else is known to be wrong, as a name that is not found; empty: nothing.
    """

    probe: Callable[[], Awaitable[bool]] = _somebody_answers
    ask_broker: Callable[[], None] = _nothing
    broker_quiet: Callable[[], float] = lambda: 0.0
    trouble: Callable[[], str] = str


class Prober:
    """Probes the router: a TCP connection that is ended as soon as it is made.

    Args:
        url: of the router.
        names: resolves it.
    """

    def __init__(self, url: str, names: Names) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or _PORTS.get(parts.scheme, 80)
        self._names = names

    async def __call__(self) -> bool:
        """Whether it was answered; a refusal is an answer."""
        try:
            async with asyncio.timeout(PROBE_WITHIN):
                for address in await self._names.addresses(self._host, self._port):
                    return await _answered(address, self._port)
        except (TimeoutError, OSError) as error:
            log.debug(Event.LINE_CHANGED, reason=str(error))
        return False


async def _answered(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except ConnectionRefusedError:
        return True
    writer.transport.abort()
    return True
