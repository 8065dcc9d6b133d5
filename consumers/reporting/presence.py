"""What a gateway says of itself rather than of a delivery: that it is there, how its line stands, what it lacks.

A hello in full goes out at every connection. While the line stays up, a short one follows in every interval, so that
silence means a line that is down. It goes along with a burst of receipts when one is sent in the interval's second
half, which saves packets of its own; alone it costs less than 0.3 % of a line of 33.6 kbit/s.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog

from consumers.errors import ReceiptsHeldError, SpoolUnavailableError
from consumers.line.outages import Outages
from consumers.line.pace import LinePace
from consumers.reporting.health import alike
from consumers.reporting.hello import LineWords, full_hello, line_words, message, short_hello
from consumers.reporting.progress import Progress
from consumers.reporting.reporter import retrying_held
from consumers.spool import Spool, Writer, gaps, outbox, recount
from consumers.spool.gaps import Asked, LaneProgress, passed
from router.broker import Outgoing, Publisher, PublishOutcome, Session, SessionState
from schemas.clock import now_ms
from schemas.dispatch import Lane
from schemas.events import Event
from schemas.health import Health
from schemas.line import MAX_OUTAGES
from schemas.receipt import TYPE_GAP, Gap
from schemas.recount import Memory

T = TypeVar("T")
log = structlog.get_logger()
MAX_UNITS = 1000
MAX_MISSING = 1000
"""Most entries of one message, see :mod:`schemas.receipt`."""


@dataclass(frozen=True, slots=True)
class ShortHello:
    """A short hello that goes along with a burst of receipts, and what it says of the line, and of us if it is new."""

    message: Outgoing
    words: LineWords
    health: Health | None


class Presence:
    """Says hello at every connection and in every interval, and asks for what is missing.

    Args:
        spool: its id tells the router whether it is the spool of before.
        writer: of that spool.
        session: whose connections are announced.
        publisher: on that session.
        head: the unit, or the head of the subtree, that this gateway hosts.
        units: the codes hosted now.
        progress: how far each lane of each unit has come.
        gap_after: seconds after which a missing number is asked for.
        outages: of the line, until they are reported.
        pace: what the line gives.
        moved: how far documents have come over it.
        interval: seconds between two hellos while the line is up.
        health: how the gateway stands.
    """

    def __init__(
        self,
        spool: Spool,
        writer: Writer,
        session: Session,
        publisher: Publisher,
        *,
        head: str,
        units: Callable[[], Sequence[str]],
        progress: Mapping[tuple[str, Lane], LaneProgress],
        gap_after: float,
        outages: Outages,
        pace: LinePace,
        moved: Progress,
        interval: float,
        health: Callable[[], Health] = Health,
    ) -> None:
        self._spool = spool
        self._writer = writer
        self._session = session
        self._publisher = publisher
        self._head = head
        self._units = units
        self._progress = progress
        self._gap_after = gap_after
        self._outages = outages
        self._pace = pace
        self._moved = moved
        self._interval = interval
        self._health = health
        self._told_health: Health | None = None
        self._greeting_due = asyncio.Event()
        self._said_at: float | None = None
        self._up_since = 0
        session.on_state(self._session_is)

    def greet(self) -> None:
        """Say hello soon, because the units have changed."""
        self._greeting_due.set()

    async def run_greetings(self) -> None:
        """Say hello whenever the session comes up, and again in every interval while it is; never returns."""
        while True:
            await self._wait_until_due()
            if self._greeting_due.is_set():
                self._greeting_due.clear()
                async for attempt in retrying_held(self._session):
                    with attempt:
                        await self._session.ready()
                        await self._greet()
            elif (hello := await self.short_hello()) is not None:
                await self.went(hello, (await self._publisher.publish([hello.message]))[0])

    async def short_hello(self) -> ShortHello | None:
        """A short hello to go along with what is sent now, when half of the interval has passed since the last."""
        if self._said_at is None or time.monotonic() - self._said_at < self._interval / 2:
            return None
        self._said_at = time.monotonic()
        units = self._units()
        if not units:
            return None
        try:
            words, memory = await self._words(), await asyncio.to_thread(self._memory, units[:1])
        except SpoolUnavailableError as error:
            log.warning(Event.SPOOL_UNAVAILABLE, reason=str(error))
            return None
        now = self._health()
        health = None if alike(now, self._told_health) else now
        hello = short_hello(self._head, units[0], self._spool.id, words, health=health, memory=memory)
        return ShortHello(hello, words, health)

    async def went(self, hello: ShortHello, outcome: PublishOutcome) -> None:
        """Note what became of a hello: its outages are reported again when no broker has confirmed it."""
        if outcome is not PublishOutcome.CONFIRMED:
            return
        try:
            await self._told(hello.words)
            self._told_health = hello.health or self._told_health
        except SpoolUnavailableError as error:
            log.warning(Event.SPOOL_UNAVAILABLE, reason=str(error))

    async def run_gaps(self) -> None:
        """Ask for missing sequence numbers when their time has come; never returns."""
        while True:
            await asyncio.sleep(self._gap_after / 4)
            async for attempt in retrying_held(self._session):
                with attempt:
                    await self._session.ready()
                    await self.ask_for_missing()

    async def ask_for_missing(self) -> None:
        """Ask for the missing numbers that are due and cannot be waiting in a queue any more.

        Raises:
            ReceiptsHeldError: the broker has not confirmed the question.
            SpoolUnavailableError: the spool cannot be read or written now.
        """
        for unit, numbers in (await asyncio.to_thread(self._due)).items():
            missing = [number for number in numbers if self._has_passed(unit, number)]
            for part in _chunks(missing, MAX_MISSING):
                await self._publish([message(f"{unit}.gap", TYPE_GAP, Gap(unit=unit, missing=tuple(part)))])
                await self._writer.run(gaps.note_asked, Asked(unit, tuple(part), round(self._gap_after * 1000)))
                log.info(Event.GAP_ASKED, unit=unit, missing=len(part), first=part[0], last=part[-1])

    async def _wait_until_due(self) -> None:
        left = None if self._said_at is None else max(0.0, self._said_at + self._interval - time.monotonic())
        if self._session.state is not SessionState.UP:
            left = None
        try:
            async with asyncio.timeout(left):
                await self._greeting_due.wait()
        except TimeoutError:
            return

    async def _greet(self) -> None:
        """Say hello in full; more outages than one report holds take several hellos.

        As long as no unit is known there is nobody to say it for: outages are kept until they can be reported.

        Raises:
            ReceiptsHeldError: the broker has not confirmed it.
            SpoolUnavailableError: the spool cannot be used now.
        """
        while there := self._units():
            words, health = await self._words(), self._health()
            await self._publish([await self._hello(units, words, health) for units in _chunks(there, MAX_UNITS)])
            self._said_at = time.monotonic()
            self._told_health = health
            await self._told(words)
            if len(words.downs) < MAX_OUTAGES:
                return

    async def _words(self) -> LineWords:
        downs = await self._outages.untold(MAX_OUTAGES)
        return line_words(self._pace, self._interval, downs, self._moved.untold())

    async def _told(self, words: LineWords) -> None:
        self._moved.told(words.held)
        await self._outages.told(words.downs)

    def _session_is(self, state: SessionState) -> None:
        if state is SessionState.UP:
            self._up_since = now_ms()
            self._greeting_due.set()

    def _due(self) -> Mapping[str, list[int]]:
        with self._spool.reading() as conn:
            return gaps.due(conn, pause_ms=round(self._gap_after * 1000))

    def _has_passed(self, unit: str, number: int) -> bool:
        lanes = [self._progress.get((unit, lane), LaneProgress()) for lane in Lane]
        quiet_ms = round(self._gap_after * 1000)
        return passed(number, lanes, now=now_ms(), quiet_since=self._up_since, quiet_ms=quiet_ms)

    async def _hello(self, units: Sequence[str], words: LineWords, health: Health) -> Outgoing:
        given = await asyncio.to_thread(self._receipts_given, units)
        memory = await asyncio.to_thread(self._memory, units)
        spool = self._spool
        return full_hello(
            self._head, units, spool.id, given, words, health=health, replaces=spool.replaces, memory=memory
        )

    def _receipts_given(self, units: Sequence[str]) -> list[int]:
        with self._spool.reading() as conn:
            return outbox.numbers_given(conn, units)

    def _memory(self, units: Sequence[str]) -> Memory:
        with self._spool.reading() as conn:
            return recount.memory(conn, units)

    async def _publish(self, messages: Sequence[Outgoing]) -> None:
        outcomes = await self._publisher.publish(messages)
        held = {outcome.value for outcome in outcomes} - {PublishOutcome.CONFIRMED.value}
        if held:
            raise ReceiptsHeldError(f"{messages[0].routing_key} was {', '.join(sorted(held))}")


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
