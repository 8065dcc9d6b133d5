"""Which units this gateway hosts, and the hours of their lines: as the router lists them, and remembered.

The hours come with the list because the gateway asks for that anyway, over the one way that is checked and works after
any loss: nothing has to be queued, counted or sent again, and the last answer is the whole truth.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Annotated
from zoneinfo import ZoneInfo

import aiohttp
import structlog
from pydantic import AfterValidator, BaseModel, TypeAdapter, ValidationError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential_jitter

from consumers.errors import UnitsUnknownError
from consumers.line.openings import Openings, UnitHours
from consumers.spool import Spool, Writer
from consumers.spool.confirming import TheOthers, note_others, suspect
from consumers.spool.units import Hosted, hosted, keep_hosted
from router.tls.troubles import trouble_of
from schemas.codes import UnitCode, covers
from schemas.dispatch import Lane
from schemas.events import Event
from schemas.health import EVERYWHERE, HEADER_BEFORE, HEADER_ELSEWHERE, HEADER_REPLACES, HEADER_SPOOL
from schemas.opening import Opening
from schemas.unit import Link

log = structlog.get_logger()
ASK_FIRST, ASK_LONGEST = 1.0, 60.0
"""Seconds between questions while no list of units is known."""
LONGEST_NAME = 200
_REACHED = {Link.LAN, Link.WAN, Link.DIALUP}
"""Links over which units have queues."""


def _known_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (OSError, LookupError) as error:
        raise ValueError(f"{name!r} is no time zone that this machine knows") from error


class _ListedOpening(BaseModel):
    hours: Opening
    timezone: Annotated[str, AfterValidator(_known_zone)]


class _ListedUnit(BaseModel):
    """What we need of a unit in the router's list; fields it may gain do not matter."""

    code: UnitCode
    link: Link
    name: str = ""
    opening: _ListedOpening | None = None

    def hosted(self) -> Hosted:
        """As the spool keeps it."""
        hours = (self.opening.hours, self.opening.timezone) if self.opening else ("", "")
        return Hosted(self.code, *hours, self.name[:LONGEST_NAME])


_LIST = TypeAdapter(list[_ListedUnit])


class Hosting:
    """The units of a pattern.

    Args:
        spool: remembers the list.
        writer: of that spool.
        http: with the gateway's token.
        origin_url: where the router is.
        pattern: one unit, or a subtree as ``LCA.02.#``.
        openings: told the hours of the units' lines.
    """

    def __init__(
        self,
        spool: Spool,
        writer: Writer,
        http: aiohttp.ClientSession,
        *,
        origin_url: str,
        pattern: str,
        openings: Openings,
    ) -> None:
        self._spool = spool
        self._writer = writer
        self._http = http
        self._url = units_url(origin_url)
        self._pattern = pattern
        self._openings = openings
        self._hosted: list[Hosted] = []
        self.elsewhere: frozenset[str] = frozenset()
        """The units hosted here for which another living gateway works: this one stands by."""
        self.on_elsewhere: list[Callable[[], None]] = []
        """Called when that has changed."""
        self.is_subtree = pattern.endswith(".#")
        self.head = pattern.removesuffix(".#")
        self.codes: list[str] = [] if self.is_subtree else [pattern]
        self._known = set(self.codes)

    def hosts(self, code: str) -> bool:
        """Whether a unit is hosted, or was in this run: what is left in the queue of one that is gone is taken, too."""
        return code in self._known

    async def begin(self) -> None:
        """Return when the units are known: from the router, else as remembered; waits while neither is there."""
        if not self.is_subtree:
            remembered = await asyncio.to_thread(self._remembered)
            if not remembered:  # the desk reads there which units it serves
                await self._writer.run(suspect, self._pattern)
                await self._writer.run(keep_hosted, [Hosted(self._pattern)])
            self._adopt(remembered or [Hosted(self._pattern)])
            return
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(UnitsUnknownError),
            wait=wait_exponential_jitter(multiplier=ASK_FIRST, max=ASK_LONGEST, jitter=ASK_FIRST),
            before_sleep=_note_unknown,
        )
        async for attempt in retrying:
            with attempt:
                await self._begin_once()

    async def refresh(self) -> list[str]:
        """Ask the router again; the units that are new.

        Raises:
            UnitsUnknownError: the router gave no usable answer.
        """
        found = await self._ask()
        codes = {item.code for item in found}
        new = sorted(codes.difference(self.codes))
        if found != self._hosted:
            await self._writer.run(keep_hosted, found)
            log.info(Event.UNITS_HOSTED, units=len(codes), new=len(new), gone=len(set(self.codes).difference(codes)))
            self._adopt(found)
        return new

    async def _begin_once(self) -> None:
        try:
            await self.refresh()
        except UnitsUnknownError as error:
            self._adopt(await asyncio.to_thread(self._remembered))
            if not self.codes:
                raise
            log.warning(Event.UNITS_REMEMBERED, units=len(self.codes), reason=str(error))

    def _adopt(self, found: Sequence[Hosted]) -> None:
        self._hosted = list(found)
        self.codes = [item.code for item in found]
        self._known.update(self.codes)
        hours = {item.code: UnitHours(item.opening, item.timezone) for item in found if item.opening}
        self._openings.adopt(len(self.codes), hours)

    def _remembered(self) -> list[Hosted]:
        """What was hosted before, of what is to be hosted now."""
        with self._spool.reading() as conn:
            return [item for item in hosted(conn) if covers(self._pattern, item.code)]

    async def _ask(self) -> list[Hosted]:
        params = {"within": self._pattern}
        try:
            mine = {HEADER_SPOOL: self._spool.id}
            if self._spool.replaces:
                mine[HEADER_REPLACES] = self._spool.replaces
            request = self._http.get(self._url, params=params, headers=mine, allow_redirects=False)
            async with request as response:
                response.raise_for_status()
                listed = _LIST.validate_json(await response.read())
                elsewhere, before = (response.headers.get(name, "") for name in (HEADER_ELSEWHERE, HEADER_BEFORE))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            trouble = trouble_of(error)
            reason = f"{trouble.text}; {trouble.advice}" if trouble else f"{type(error).__name__}: {error}"
            raise UnitsUnknownError(f"{self._url} gave no list of units: {reason}") from error
        except ValidationError as error:
            raise UnitsUnknownError(f"{self._url} gave no list of units: {error.error_count()} errors") from error
        found = sorted(unit.hosted() for unit in listed if unit.link in _REACHED)
        if not found:
            raise UnitsUnknownError(f"the router knows no unit with a line within {self._pattern}")
        codes = {item.code for item in found}
        told = TheOthers(codes, living=_named(elsewhere, codes), before=_named(before, codes))
        self._stand_by(told.living)
        await self._writer.run(note_others, told)  # before anybody registers anything
        return found

    def _stand_by(self, codes: Collection[str]) -> None:
        """Leave these units to the gateway that works for them, and work for all others."""
        before, self.elsewhere = self.elsewhere, frozenset(codes)
        if came := sorted(self.elsewhere - before):
            log.warning(Event.SECOND_GATEWAY, units=len(came), unit=came[0], spool=self._spool.id)
        if went := sorted(before - self.elsewhere):
            log.info(Event.GATEWAY_TOOK_OVER, units=len(went), unit=went[0], spool=self._spool.id)
        if before != self.elsewhere:
            for callback in self.on_elsewhere:
                callback()


def _named(header: str, codes: set[str]) -> set[str]:
    """The units that a header names."""
    return codes if header == EVERYWHERE else set(header.split(",")) & codes


def units_url(origin_url: str) -> str:
    """Where the router lists units."""
    return f"{origin_url.rstrip('/')}/api/v1/units"


def queues_of(code: str) -> list[str]:
    """The names of a unit's queues, the express lane first."""
    return [f"unit.{code}.{lane.value}" for lane in (Lane.EXPRESS, Lane.NORMAL)]


def _note_unknown(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning(Event.UNITS_UNKNOWN, reason=str(error), retry_in=round(state.upcoming_sleep, 1))
