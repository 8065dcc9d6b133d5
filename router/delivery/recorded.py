"""Publishes what units said after the ledger has recorded it, to ``receipts.recorded``, for issuers' own queues.

At least once, and in the order of the log for each delivery. A crash between publishing and noting it repeats at most
one batch; nothing is written per receipt.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import orjson
import structlog
from sqlalchemy import Engine

from router.broker import Outgoing, Publisher, PublishOutcome, Session, Template
from router.broker.backoff import Backoff, sleep_unless
from router.broker.topology.grants import RECORDED
from router.errors import UnavailableError
from router.ledger.engine import reading
from router.ledger.way import recorded
from router.ledger.way.recorded import LEASE_MS, Following, PublicationClaim, PublicationStep, RecordedReceipt
from router.ledger.writer import Writer
from router.process.fate import may_pass
from schemas.bursts import BurstEntry, in_bursts
from schemas.clock import now_ms
from schemas.events import Event
from schemas.ids import new_id
from schemas.receipt import TYPE_RECEIPTS, receipt_key

log = structlog.get_logger()
BATCH = 500
_REFUSALS = 5
"""Times that an issuer's queue may refuse before the others no longer wait for it, for ten minutes."""
_REFUSING_MS = 600_000
_GATHER = 0.05
"""Seconds between two looks, however often it is woken: a busy log is read and published in larger pieces."""
_SETTLE_TRIES = 5
"""Tries in a row that writers may be in the way before one waits for longer."""
_RELEASE_WITHIN = 1.0
_SOLE = "router"
"""On SQLite there is one router, which need not wait for the claim that it held before it was killed."""
_PAUSE_FIRST, _PAUSE_LONGEST = 0.2, 5.0
_OPTIONAL = (
    *("content_sha256", "reason", "person", "department", "register_number"),
    *("attempts", "gateway_version", "traceparent", "corrects", "undoes"),
)


class IssuerBurst(NamedTuple):
    """A message of receipts and whose dispatches they are of."""

    issuer: str
    message: Outgoing


class RecordedPublisher:
    """Tells issuers what is recorded; of the routers of one ledger one at a time does so.

    Args:
        engine: the ledger.
        writer: its group commit, for the place that has been reached.
        session: waited for while it is down.
        publisher: of its own, so that nothing here closes a channel that others use.
        steady: set while the broker is known to stand as planned.
        poll: seconds between looks when nothing wakes it: what another router has recorded is found so.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        writer: Writer,
        session: Session,
        publisher: Publisher,
        steady: asyncio.Event,
        poll: float = 1.0,
    ) -> None:
        self._engine = engine
        self._writer = writer
        self._session = session
        self._publisher = publisher
        self._steady = steady
        self._poll = poll
        self._owner = new_id() if engine.dialect.name == "postgresql" else _SOLE
        self._woken = asyncio.Event()
        self._through = 0
        self._settled = 0
        self._not_settled = 0
        self._refusing: dict[str, int] = {}  # issuers whose queue is not waited for, and until when

    def wake(self) -> None:
        """Something was recorded."""
        self._woken.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        try:
            while True:
                try:
                    await self._publish_all()
                except Exception as error:
                    if not may_pass(error):
                        raise
                    log.warning(Event.CLOCK_SKIPPED, clock="receipts.recorded", error=str(error))
                await asyncio.sleep(_GATHER)
                await sleep_unless(self._woken, self._poll)
                self._woken.clear()
        finally:
            with contextlib.suppress(TimeoutError, UnavailableError):
                async with asyncio.timeout(_RELEASE_WITHIN):
                    await self._writer.run(recorded.release, self._owner)

    async def _publish_all(self) -> None:
        """Publish all that is recorded and not published yet."""
        if await asyncio.to_thread(self._end) <= self._through:
            return
        await self._steady.wait()
        await self._session.ready()
        now = now_ms()
        place = await self._writer.run(recorded.claim, PublicationClaim(self._owner, now, now + LEASE_MS))
        while place is not None:
            self._through = place
            following = await asyncio.to_thread(self._following)
            if following.through > place:
                place = await self._publish(following)
            elif not following.waiting or not await self._settle():
                return

    async def _publish(self, following: Following) -> int | None:
        """Publish entries and note it; the place reached, or None when another router has taken over."""
        entries, place = following.entries, following.through
        messages = messages_of(entries)
        if not await self._until_taken(messages):
            return None
        noted = await self._writer.run(recorded.advance, PublicationStep(self._owner, place, now_ms() + LEASE_MS))
        if messages:
            log.debug(Event.RECORDED_PUBLISHED, messages=len(messages), receipts=len(entries), through=place)
        return place if noted else None

    async def _until_taken(self, messages: Sequence[IssuerBurst]) -> bool:
        """Publish messages in order, those from the first failed one on again; False: it took us too long."""
        backoff = Backoff(_PAUSE_FIRST, _PAUSE_LONGEST)
        until = now_ms() + LEASE_MS
        rest, refusals = messages, Counter[str]()
        while rest:
            outcomes = await self._publisher.publish([item.message for item in rest])
            failed = (
                place
                for place, (item, outcome) in enumerate(zip(rest, outcomes, strict=True))
                if self._must_repeat(item, outcome, refusals)
            )
            if (first := next(failed, None)) is None:
                return True
            rest = rest[first:]
            await asyncio.sleep(backoff.pause())
            await self._session.ready()
            if now_ms() > until:
                return False
        return True

    def _must_repeat(self, item: IssuerBurst, outcome: PublishOutcome, refusals: Counter[str]) -> bool:
        """Whether a message has to be published again: a queue that refuses for good must not hold up the others.

        Args:
            item: the message.
            outcome: what became of it.
            refusals: how often each issuer's queue has refused, which this one is added to.
        """
        if outcome is not PublishOutcome.NACKED:
            return outcome in {PublishOutcome.LOST, PublishOutcome.TIMED_OUT}
        now = now_ms()
        if self._refusing.get(item.issuer, 0) > now:
            return False
        refusals[item.issuer] += 1
        if refusals[item.issuer] < _REFUSALS:
            return True
        self._refusing[item.issuer] = now + _REFUSING_MS
        log.error(Event.RECORDED_REFUSED, issuer=item.issuer, routing_key=item.message.routing_key)
        return False

    async def _settle(self) -> bool:
        """Seldom with more patience: an autovacuum may be in the way for minutes, and gives way only then."""
        is_turn = self._not_settled >= _SETTLE_TRIES
        within = recorded.SETTLES_AGAINST_VACUUM_WITHIN if is_turn else recorded.SETTLES_WITHIN
        settled = await asyncio.to_thread(partial(recorded.settle, self._engine, within=within))
        self._not_settled = 0 if is_turn or settled is not None else self._not_settled + 1
        self._settled = max(self._settled, settled or 0)
        return settled is not None

    def _end(self) -> int:
        with reading(self._engine) as connection:
            return recorded.end(connection)

    def _following(self) -> Following:
        with reading(self._engine) as connection:
            return recorded.following(connection, after=self._through, settled=self._settled, limit=BATCH)


def messages_of(entries: Sequence[RecordedReceipt]) -> list[IssuerBurst]:
    """The bursts that carry entries: of one issuer, unit and status each, and no delivery's receipts out of order."""
    alike = (
        BurstEntry((one.issuer, receipt_key(one.issuer, one.unit, one.status)), one.delivery_id, encode(one), None)
        for one in entries
    )
    return [_burst(*group.key, group.body) for group in in_bursts(alike)]


def _burst(issuer: str, key: str, body: bytes) -> IssuerBurst:
    template = Template(RECORDED, TYPE_RECEIPTS, body, mandatory=False)
    return IssuerBurst(issuer, Outgoing(template, key, new_id()))


def encode(entry: RecordedReceipt) -> bytes:
    """A receipt as it was recorded (:class:`schemas.receipt.Receipt`)."""
    shown = {
        "id": entry.id,
        "delivery_id": entry.delivery_id,
        "dispatch_id": entry.dispatch_id,
        "unit": entry.unit,
        "status": entry.status,
        "at": entry.at,
        "seq": entry.seq,
    }
    return orjson.dumps(shown | {name: value for name in _OPTIONAL if (value := getattr(entry, name))})
