"""Sends receipts: all that wait go out in bursts, one message for one issuer, unit and status, and are then noted.

A receipt counts as sent when the broker has confirmed it; a crash between the confirm and the note sends it again,
with the same id. Receipts written by a person's command in another process are found by looking each second.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential_jitter

from consumers.errors import ReceiptsHeldError, SpoolUnavailableError
from consumers.spool import Spool, Writer, outbox
from consumers.spool.outbox import Unsent
from router.broker import Outgoing, Publisher, PublishOutcome, Session, Template
from schemas.bursts import BurstEntry, in_bursts
from schemas.dispatch import Lane
from schemas.events import Event
from schemas.ids import new_id
from schemas.reasons import HEADER_CODE
from schemas.receipt import TYPE_RECEIPTS, receipt_key
from schemas.states import Status

if TYPE_CHECKING:
    from consumers.reporting.presence import Presence

log = structlog.get_logger()
EXCHANGE = "receipts"
ENOUGH = 1000
"""So many receipts do not wait for more."""
LOAD = 1000
"""Receipts read at once."""
WORTH_CONFIRMS = 10
SMOOTHING = 0.3
RETRY_FIRST, RETRY_LONGEST = 1.0, 30.0
WATCH_SECONDS = 1.0
_WITHOUT_CONTENT = {Status.TAKEN, Status.PARKED}
_OPTIONAL = ("traceparent", "reason", "attempts", "person", "department", "register_number", "corrects", "undoes")


@dataclass(frozen=True, slots=True)
class BurstMessage:
    """One message of receipts: routing key, body, the positions of what it carries, the code that is their reason's."""

    key: str
    body: bytes
    positions: list[int]
    code: str = ""


class Reporter:
    """Sends one lane's receipts, so that those of express documents never wait behind others.

    Args:
        spool: whose outbox is read.
        writer: of that spool.
        session: waited for while it is down.
        publisher: on that session.
        lane: whose receipts.
        linger: seconds that a receipt waits for more at most. It waits no longer than ten confirms take: on a
            dial-up line all of it, on a LAN next to nothing.
        on_sent: told the bytes of a burst and the seconds until it was confirmed.
    """

    def __init__(
        self,
        spool: Spool,
        writer: Writer,
        session: Session,
        publisher: Publisher,
        *,
        lane: Lane,
        linger: float,
        on_sent: Callable[[int, float], None] = lambda _count, _seconds: None,
    ) -> None:
        self._spool = spool
        self._writer = writer
        self._session = session
        self._publisher = publisher
        self._lane = lane
        self._linger = linger
        self._on_sent = on_sent
        self._some = asyncio.Event()
        self._many = asyncio.Event()
        self._noted = 0
        self._confirm_seconds = 0.0
        self._presence: Presence | None = None
        self._some.set()

    def take_along(self, presence: "Presence") -> None:
        """Let hellos go along with the bursts."""
        self._presence = presence

    def wake(self, count: int = 1) -> None:
        """So many receipts may be in the outbox."""
        self._noted += count
        self._some.set()
        if self._noted >= ENOUGH:
            self._many.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._some.wait()
            await self._wait_for_more()
            self._some.clear()
            self._many.clear()
            self._noted = 0
            await self._until_sent()

    async def send_all(self) -> None:
        """Send what waits in the outbox now.

        Raises:
            ReceiptsHeldError: the broker has not confirmed all of it.
            SpoolUnavailableError: the spool cannot be read or written now.
        """
        after = 0
        while rows := await asyncio.to_thread(self._load, after):
            after = rows[-1].pos
            messages = list(bursts(rows))
            outcomes = await self._publish(messages)
            confirmed = [
                pos
                for message, outcome in zip(messages, outcomes, strict=True)
                if outcome is PublishOutcome.CONFIRMED
                for pos in message.positions
            ]
            if confirmed:
                await self._writer.run(outbox.mark_sent, confirmed)
            log.debug(Event.RECEIPTS_SENT, receipts=len(confirmed), messages=len(messages))
            held = {outcome.value for outcome in outcomes} - {PublishOutcome.CONFIRMED.value}
            if held:
                raise ReceiptsHeldError(f"{len(rows) - len(confirmed)} receipts were {', '.join(sorted(held))}")

    async def _publish(self, messages: Sequence[BurstMessage]) -> list[PublishOutcome]:
        """Publish, and note how long a confirm took: the line's pace, as this lane meets it."""
        outgoing = [_outgoing(message) for message in messages]
        hello = await self._presence.short_hello() if self._presence else None
        began = time.monotonic()
        outcomes = await self._publisher.publish(outgoing if hello is None else [*outgoing, hello.message])
        seconds = time.monotonic() - began
        if PublishOutcome.CONFIRMED in outcomes:
            self._confirm_seconds += (seconds - self._confirm_seconds) * SMOOTHING
        if set(outcomes) == {PublishOutcome.CONFIRMED}:
            self._on_sent(sum(len(message.body) for message in messages), seconds)
        if self._presence and hello is not None:
            await self._presence.went(hello, outcomes.pop())
        return outcomes

    async def _until_sent(self) -> None:
        async for attempt in retrying_held(self._session):
            with attempt:
                await self._session.ready()
                await self.send_all()

    def _load(self, after: int) -> list[Unsent]:
        with self._spool.reading() as conn:
            return outbox.unsent(conn, self._lane, after=after, limit=LOAD)

    async def _wait_for_more(self) -> None:
        try:
            async with asyncio.timeout(linger_of(self._linger, self._confirm_seconds)):
                await self._many.wait()
        except TimeoutError:
            return


def linger_of(longest: float, confirm_seconds: float) -> float:
    """How long receipts wait for more: as long as ten confirms take, and never longer than ``longest`` seconds.

    >>> linger_of(2.0, 0.005), linger_of(2.0, 0.8)
    (0.05, 2.0)
    """
    return min(longest, WORTH_CONFIRMS * confirm_seconds)


def bursts(rows: Sequence[Unsent]) -> Iterator[BurstMessage]:
    """The messages that carry receipts: of one issuer, unit, status and code each, bounded in number and bytes.

    They are in the order in which they have to be published: each delivery's receipts stay in theirs.
    """
    alike = (
        BurstEntry(
            (receipt_key(row.issuer, row.unit, row.status), row.code or ""), row.delivery_id, encode(row), row.pos
        )
        for row in rows
    )
    for group in in_bursts(alike):
        key, code = group.key
        yield BurstMessage(key, group.body, group.items, code)


def encode(row: Unsent) -> bytes:
    """A receipt as it travels, the same bytes every time (:class:`schemas.receipt.Receipt`)."""
    return orjson.dumps(as_told(row))


def as_told(row: Unsent) -> dict[str, object]:
    """The same before it is encoded."""
    receipt: dict[str, object] = {
        "id": row.id,
        "delivery_id": row.delivery_id,
        "dispatch_id": row.dispatch_id,
        "unit": row.unit,
        "status": row.status,
        "at": row.at,
        "seq": row.seq,
        "gateway_version": row.gateway_version,
    }
    if row.content_sha256 and row.status not in _WITHOUT_CONTENT:
        receipt["content_sha256"] = row.content_sha256
    for name in _OPTIONAL:
        if value := getattr(row, name):
            receipt[name] = value
    return receipt


def _outgoing(message: BurstMessage) -> Outgoing:
    headers = {HEADER_CODE: message.code} if message.code else {}
    return Outgoing(Template(EXCHANGE, TYPE_RECEIPTS, message.body), message.key, new_id(), headers)


def retrying_held(session: Session) -> AsyncRetrying:
    """Tries again, without end, what the broker has not confirmed or the spool could not take.

    A pause ends when the session comes up anew: on a line that is up for two minutes, half a minute counts.
    """
    return AsyncRetrying(
        sleep=session.up_anew,
        retry=retry_if_exception_type((ReceiptsHeldError, SpoolUnavailableError)),
        wait=wait_exponential_jitter(multiplier=RETRY_FIRST, max=RETRY_LONGEST, jitter=RETRY_FIRST),
        before_sleep=_note_held,
    )


def _note_held(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning(Event.RECEIPTS_HELD, reason=str(error), retry_in=round(state.upcoming_sleep, 1))


async def watch_commands(spool: Spool, wakes: Sequence[Callable[[], None]]) -> None:
    """Wake all who work from the spool when another connection has changed it, as a command does; never returns."""
    with spool.watching() as version:
        seen = await asyncio.to_thread(version)
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            now = await asyncio.to_thread(version)
            if now != seen:
                seen = now
                for wake in wakes:
                    wake()
