"""Publishes what is due: claims deliveries from the outbox, publishes each to its unit, records what became of it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

import structlog
from sqlalchemy import Connection

from router.broker import Outgoing, Publisher, PublishOutcome, Session, Template
from router.broker.backoff import Backoff, sleep_unless
from router.broker.message import Headers
from router.broker.topology.planning import org_exchange
from router.delivery.organisation import Organisation
from router.delivery.recorder import Recorder
from router.directory import Directory
from router.ledger.way import outbox
from router.ledger.way.new_receipt import NewReceipt
from router.ledger.way.outbox import Body, Claim, Claimed, Due, Failed
from router.ledger.writer import Writer
from router.process.fate import may_pass
from schemas.clock import Clock, iso, now_ms
from schemas.descriptor import HEADER_REDRIVEN, HEADER_SEQ, HEADER_TRACEPARENT, HEADER_UNIT, TYPE_DESCRIPTOR
from schemas.dispatch import lane_of
from schemas.events import Event
from schemas.ids import new_id
from schemas.states import Status

log = structlog.get_logger()
BATCHES_IN_FLIGHT = 4
CONFIRMS_WAIT = 0.2
"""Seconds that a confirm waits for what the unit says of the same delivery; nobody waits for it."""
FIRST_REST, LONGEST_REST = 0.5, 15.0
"""Seconds between two looks while the ledger fails."""
_DETAIL = {
    PublishOutcome.RETURNED: "the broker has no queue for this unit; `congvan topology plan` tells what is in the way",
    PublishOutcome.NACKED: "the broker refused the message, its queue is full or unavailable",
    PublishOutcome.TIMED_OUT: "the broker did not confirm in time",
    PublishOutcome.LOST: "the connection went before the confirm",
}


@dataclass(frozen=True, slots=True)
class RelayPolicy:
    """How the relay works: deliveries per claim, seconds between looks, seconds a claim lasts."""

    batch: int = 500
    poll: float = 1.0
    lease: float = 60.0


class Relay:
    """One relay; any number may run on the same PostgreSQL ledger.

    ``woken`` is set by whoever makes something due, so that the relay looks at once; ``steady`` is set while the
    broker's topology is known to stand, and nothing is claimed while it is not.

    A process that dies between the publish and its record publishes again after the lease, with the same id: the
    gateway's spool takes a delivery once.
    """

    def __init__(
        self,
        *,
        writer: Writer,
        session: Session,
        publisher: Publisher,
        recorder: Recorder,
        organisation: Organisation,
        woken: asyncio.Event,
        steady: asyncio.Event,
        policy: RelayPolicy,
        on_outcome: Callable[[PublishOutcome, int], None] = lambda _outcome, _count: None,
        clock: Clock = now_ms,
    ) -> None:
        self._writer = writer
        self._session = session
        self._publisher = publisher
        self._recorder = recorder
        self._organisation = organisation
        self._policy = policy
        self._on_outcome = on_outcome
        self._places = asyncio.Semaphore(BATCHES_IN_FLIGHT)
        self._pause = Backoff(FIRST_REST, LONGEST_REST)
        self._woken = woken
        self._steady = steady
        self._clock = clock
        self._claim_now = partial(claim_now, clock, policy)

    async def run(self) -> None:
        """Relay until cancelled; batches in flight at that moment are claimed again after the lease.

        While the ledger fails, or the machine, nothing is claimed, and what is in flight is left to its lease.
        """
        async with asyncio.TaskGroup() as sending:
            while True:
                await self._steady.wait()
                await self._session.ready()
                await self._places.acquire()
                self._woken.clear()
                claimed = await self._claim_or_rest()
                if claimed.due:
                    sending.create_task(self._send_and_leave(claimed))
                else:
                    self._places.release()
                if len(claimed.due) < self._policy.batch:
                    await sleep_unless(self._woken, self._policy.poll)

    async def _claim_or_rest(self) -> Claimed:
        try:
            claimed = await self._writer.run(self._claim_now, None)
        except Exception as error:
            if not may_pass(error):
                raise
            pause = self._pause.pause()
            log.warning(Event.RELAY_RESTS, error=str(error), retry_in=round(pause, 1))
            await asyncio.sleep(pause)
            return Claimed([], {})
        self._pause.reset()
        return claimed

    async def _send_and_leave(self, claimed: Claimed) -> None:
        try:
            try:
                messages = messages_of(claimed, self._organisation.directory, self._organisation.today)
                outcomes = await publish_where_possible(self._publisher, messages)
            finally:
                self._places.release()
            await self._record(claimed.due, outcomes)
        except Exception as error:
            if not may_pass(error):
                raise
            log.warning(Event.RELAY_RESTS, error=str(error), retry_in=self._policy.lease)

    async def _record(self, due: Sequence[Due], outcomes: Sequence[PublishOutcome]) -> None:
        at = self._clock()
        written = iso(at)
        pairs = list(zip(due, outcomes, strict=True))
        confirmed = [_confirmation(item, at, written) for item, outcome in pairs if outcome is PublishOutcome.CONFIRMED]
        failed = [_failure(item, outcome, at) for item, outcome in pairs if outcome is not PublishOutcome.CONFIRMED]
        for outcome in set(outcomes):
            self._on_outcome(outcome, outcomes.count(outcome))
        if failed:
            log.warning(Event.PUBLISH_FAILED, failed=len(failed), outcome=failed[0].outcome, unit=due[0].unit)
            await self._writer.run(outbox.record_failures, failed, weight=len(failed))
        if confirmed:
            await self._recorder.record_along(confirmed, CONFIRMS_WAIT)


def claim_now(clock: Clock, policy: RelayPolicy, connection: Connection, wishes: Sequence[None]) -> list[Claimed]:
    """Claim, with a lease that begins when it is made: the request may have waited long for an absent database."""
    now = clock()
    claim = Claim(now, now + round(policy.lease * 1000), policy.batch)
    return outbox.claim(connection, [claim] * len(wishes))


def root_of(unit: str, directory: Directory, day: date) -> str | None:
    """The topmost of a unit and those above it that exist on a day, at whose exchange it is published, or None.

    As the topology is planned: a publish at an exchange that is not there closes the channel, and all that is in
    flight on it is lost.
    """
    root, found = None, directory.get(unit)
    while found is not None:
        if found.exists_on(day):
            root = found.code
        found = None if found.parent is None else directory.get(found.parent)
    return root


async def publish_where_possible(publisher: Publisher, messages: Sequence[Outgoing | None]) -> list[PublishOutcome]:
    """Publish messages; one for which there is no exchange counts as returned, without asking the broker."""
    outcomes = iter(await publisher.publish([message for message in messages if message is not None]))
    return [PublishOutcome.RETURNED if message is None else next(outcomes) for message in messages]


def messages_of(claimed: Claimed, directory: Directory, day: date) -> list[Outgoing | None]:
    """One message per delivery, None where no exchange leads to it; those of a dispatch share their template."""
    templates: dict[tuple[str, str], Template] = {}
    roots = {unit: root_of(unit, directory, day) for unit in {item.unit for item in claimed.due}}
    messages: list[Outgoing | None] = []
    for item in claimed.due:
        root = roots[item.unit]
        if root is None:
            messages.append(None)
            continue
        key = (item.dispatch_id, root)
        template = templates.get(key)
        if template is None:
            template = templates[key] = _template(claimed.bodies[item.dispatch_id], root)
        messages.append(
            Outgoing(
                template=template,
                routing_key=f"{item.unit}.{lane_of(item.urgency).value}",
                message_id=item.id,
                headers=_headers(item),
            )
        )
    return messages


def _headers(item: Due) -> Headers:
    own: dict[str, str | int] = {HEADER_UNIT: item.unit, HEADER_SEQ: item.seq}
    return own | {HEADER_REDRIVEN: item.redriven_at} if item.redriven_at else own


def _template(body: Body, root: str) -> Template:
    return Template(
        exchange=org_exchange(root),
        type=TYPE_DESCRIPTOR,
        body=body.body,
        headers={HEADER_TRACEPARENT: body.traceparent, HEADER_REDRIVEN: 0},
        timestamp_ms=body.accepted_at,
    )


def _confirmation(item: Due, at: int, written: str) -> NewReceipt:
    return NewReceipt(new_id(), item.id, Status.QUEUED, written, at, confirmed=True)


def _failure(item: Due, outcome: PublishOutcome, at: int) -> Failed:
    return Failed(item.id, at, outcome.value, _DETAIL[outcome], item.failures)
