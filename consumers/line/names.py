"""Names of the router's machine, asked once and remembered: a resolver that is slow or gone stops no transfer.

A remembered answer is used at once and asked for again behind it. What a portal makes of names while it stands in the
line is remembered no longer than until the next answer.
"""

import asyncio
import socket
import time

import structlog
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from schemas.events import Event

log = structlog.get_logger()
FRESH_SECONDS = 60.0
"""An answer so old is asked for again, behind what it is used for."""


class Names(AbstractResolver):
    """Resolves names by the system's resolver.

    Attributes:
        trouble: why the last name was not found, or how slow that was; empty when all is well.
    """

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        self._resolver = resolver or ThreadedResolver()
        self._known: dict[tuple[str, int, int], tuple[float, list[ResolveResult]]] = {}
        self._lookups: dict[tuple[str, int, int], asyncio.Task[list[ResolveResult]]] = {}
        self.trouble = ""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name.

        Raises:
            OSError: it was never found, and is not found now.
        """
        key = (host, port, family)
        asked_at, known = self._known.get(key, (0.0, []))
        if known and time.monotonic() - asked_at < FRESH_SECONDS:
            return known
        lookup = self._lookups.get(key) or self._ask(key)
        return known or await asyncio.shield(lookup)

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a name alone, raising as :meth:`resolve`."""
        return [found["host"] for found in await self.resolve(host, port)]

    async def close(self) -> None:
        """End what is being asked."""
        for lookup in self._lookups.values():
            lookup.cancel()
        await self._resolver.close()

    def _ask(self, key: tuple[str, int, int]) -> asyncio.Task[list[ResolveResult]]:
        lookup = self._lookups[key] = asyncio.create_task(self._answer(key))
        lookup.add_done_callback(lambda done: self._forget(key, done))
        return lookup

    async def _answer(self, key: tuple[str, int, int]) -> list[ResolveResult]:
        host, port, family = key
        self.trouble = f"the name {host} is being asked for"
        found = await self._resolver.resolve(host, port, socket.AddressFamily(family))
        self._known[key] = (time.monotonic(), found)
        self.trouble = ""
        return found

    def _forget(self, key: tuple[str, int, int], done: asyncio.Task[list[ResolveResult]]) -> None:
        self._lookups.pop(key, None)
        if not done.cancelled() and (error := done.exception()) is not None:
            self.trouble = f"the name {key[0]} is not found: {error}"
            log.debug(Event.LINE_CHANGED, reason=self.trouble)
