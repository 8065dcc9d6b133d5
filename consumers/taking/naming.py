"""Learns what units are called that have sent something here: registers name them, and people read names."""

import asyncio
from typing import Protocol

import aiohttp
import structlog
from pydantic import TypeAdapter, ValidationError

from consumers.errors import SpoolUnavailableError
from consumers.spool import Spool, Writer
from consumers.spool.units import keep_names, unnamed
from consumers.taking.hosting import LONGEST_NAME
from router.broker.backoff import Backoff
from schemas.codes import UnitCode
from schemas.events import Event

log = structlog.get_logger()
_AT_ONCE = 50
"""Units that are asked for in one request."""
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 300.0
_NAMES = TypeAdapter(dict[UnitCode, str])


class LineSession(Protocol):
    """What is needed of the session: whether the line is there."""

    async def ready(self) -> None:
        """Return once it is up."""

    async def up_anew(self, timeout: float, /) -> None:  # noqa: ASYNC109 - the session's own
        """Return when it comes up the next time, or after so many seconds."""


class Naming:
    """Asks the router once for each unit.

    Args:
        spool: knows who has sent something, and keeps the names.
        writer: of that spool.
        http: with the gateway's token.
        session: is up while the line is.
        origin_url: where the router is.
    """

    def __init__(
        self, spool: Spool, writer: Writer, http: aiohttp.ClientSession, session: LineSession, *, origin_url: str
    ) -> None:
        self._spool = spool
        self._writer = writer
        self._http = http
        self._session = session
        self._url = f"{origin_url.rstrip('/')}/api/v1/names"
        self._woken = asyncio.Event()
        self._woken.set()

    def wake(self) -> None:
        """Something was taken, perhaps from somebody new."""
        self._woken.set()

    async def run(self) -> None:
        """Ask for whoever has no name yet, whenever something was taken; never returns."""
        pauses, seen = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE), 0
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                codes, last = await asyncio.to_thread(self._unnamed, seen)
                if codes:
                    await self._session.ready()
                    await self._ask(codes)
                    self._woken.set()  # there may be more of them
                else:
                    seen = last
                pauses.reset()
            except (aiohttp.ClientError, TimeoutError, OSError, ValidationError, SpoolUnavailableError) as error:
                log.debug(Event.NAMES_UNKNOWN, reason=f"{type(error).__name__}: {error}")
                self._woken.set()
                await self._session.up_anew(pauses.pause())

    async def _ask(self, codes: list[str]) -> None:
        """Keep what they are called; an empty name, too, so that it is asked for once."""
        params = [("code", code) for code in codes]
        async with self._http.get(self._url, params=params, allow_redirects=False) as response:
            response.raise_for_status()
            found = _NAMES.validate_json(await response.read())
        await self._writer.run(keep_names, {code: found.get(code, "")[:LONGEST_NAME] for code in codes})

    def _unnamed(self, seen: int) -> tuple[list[str], int]:
        with self._spool.reading() as conn:
            return unnamed(conn, seen, _AT_ONCE)
