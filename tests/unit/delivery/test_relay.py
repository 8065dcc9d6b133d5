"""The relay publishes what is due, and whatever the broker says or wherever it is killed, nothing is forgotten."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, select

from router.broker import PublishOutcome
from router.delivery.organisation import Organisation
from router.delivery.recorder import Recorder
from router.delivery.relay import BATCHES_IN_FLIGHT, Relay, RelayPolicy
from router.ledger.engine import reading
from router.ledger.models import attempt, delivery, receipt
from router.ledger.writer import Writer
from schemas.descriptor import HEADER_UNIT
from schemas.states import Status
from support.conditions import holds
from support.ledgers import Clerk, unit
from support.stand_ins import SetClock, StandInPublisher, StandInSession, away

CODES = tuple(f"LCA.{number:02d}" for number in range(1, 6))
LEASE = 60.0
Start = Callable[..., Relay]


@pytest.fixture
def due(ledger: Engine, clock: SetClock) -> list[str]:
    """The ids of five deliveries that are due."""
    with ledger.begin() as conn:
        clerk = Clerk(conn)
        units = [unit(code) for code in CODES]
        clerk.units(unit("LCA"), *units)
        clerk.dispatch("LCA.VP", units)
        clock.now = clerk.now
        return sorted(clerk.deliveries.values())


@pytest.fixture
def start(
    *,
    ledger: Engine,
    writer: Writer,
    session: StandInSession,
    publisher: StandInPublisher,
    recorder: Recorder,
    steady: asyncio.Event,
    clock: SetClock,
    due: list[str],
) -> Start:
    """Makes a relay, as a router does that starts (again)."""
    assert due

    def make(batch: int = 500) -> Relay:
        organisation = Organisation(ledger, "Asia/Ho_Chi_Minh", clock=clock)
        organisation.refresh()
        return Relay(
            writer=writer,
            session=session,  # type: ignore[arg-type]
            publisher=publisher,  # type: ignore[arg-type]
            recorder=recorder,
            organisation=organisation,
            woken=asyncio.Event(),
            steady=steady,
            policy=RelayPolicy(batch=batch, poll=0.01, lease=LEASE),
            clock=clock,
        )

    return make


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[asyncio.Task[None]]:
    """The relay at work; killed at the end."""
    task = asyncio.create_task(relay.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


def states(ledger: Engine) -> dict[str, str]:
    with reading(ledger) as conn:
        return dict(conn.execute(select(delivery.c.id, delivery.c.state)).all())


def all_queued(ledger: Engine) -> bool:
    return set(states(ledger).values()) == {Status.QUEUED.value}


def attempts(ledger: Engine) -> list[str]:
    with reading(ledger) as conn:
        return list(conn.scalars(select(attempt.c.outcome)))


async def test_what_is_due_is_published_once_and_queued(
    start: Start, publisher: StandInPublisher, ledger: Engine, due: list[str]
) -> None:
    async with running(start()):
        await holds(lambda: all_queued(ledger), what="all are queued")
    assert sorted(publisher.ids) == due
    first = min(publisher.published, key=lambda message: message.routing_key)
    assert (first.template.exchange, first.routing_key) == ("org.LCA", "LCA.01.normal")
    assert first.headers[HEADER_UNIT] == "LCA.01"


async def test_confirms_that_wait_for_what_the_units_say_keep_no_other_batch_from_being_published(
    start: Start, publisher: StandInPublisher, ledger: Engine, due: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.delivery.relay.CONFIRMS_WAIT", 1e6)
    assert len(due) > BATCHES_IN_FLIGHT
    async with running(start(batch=1)):
        await holds(lambda: sorted(publisher.ids) == due, what="all are published")
        assert set(states(ledger).values()) == {Status.PENDING.value}, "and no confirm is recorded"


@pytest.mark.parametrize("left", [[], ["LCA.01", "LCA.02"]])
async def test_with_the_root_abolished_units_are_reached_from_themselves_and_the_others_harm_nobody(
    start: Start, publisher: StandInPublisher, ledger: Engine, left: list[str]
) -> None:
    gone: dict[str, Any] = {"valid_to": "2020-01-01"}
    with ledger.begin() as conn:
        clerk = Clerk(conn)
        clerk.units(unit("LCA", **gone), *(unit(code, **({} if code in left else gone)) for code in CODES))
    async with running(start()):
        await holds(lambda: len(attempts(ledger)) == len(CODES) - len(left), what="the others are returned")
        await holds(lambda: len(publisher.published) == len(left), what="what can go has gone")
    assert {message.template.exchange for message in publisher.published} == {f"org.{code}" for code in left}
    assert set(attempts(ledger)) == {PublishOutcome.RETURNED.value}


@pytest.mark.parametrize(
    "outcome", [PublishOutcome.NACKED, PublishOutcome.RETURNED, PublishOutcome.TIMED_OUT, PublishOutcome.LOST]
)
async def test_what_the_broker_did_not_confirm_is_published_again_under_the_same_id_after_a_growing_pause(
    *,
    start: Start,
    publisher: StandInPublisher,
    ledger: Engine,
    due: list[str],
    clock: SetClock,
    outcome: PublishOutcome,
) -> None:
    publisher.answer = lambda _message: outcome
    async with running(start()):
        for count, pause in enumerate((1, 2, 4), start=1):
            await holds(partial(_are_noted, ledger, 5 * count), what="the failures are noted")
            assert set(states(ledger).values()) == {Status.PENDING.value}
            clock.pass_(seconds=pause - 0.5)
            await asyncio.to_thread(lambda: None)
            assert len(publisher.ids) == 5 * count
            clock.pass_(seconds=0.5)
        publisher.answer = lambda _message: PublishOutcome.CONFIRMED
        clock.pass_(seconds=4)
        await holds(lambda: all_queued(ledger), what="all are queued")
    assert set(publisher.ids) == set(due)
    assert set(attempts(ledger)) == {outcome.value}


def _are_noted(ledger: Engine, count: int) -> bool:
    return len(attempts(ledger)) == count


async def test_one_units_failure_does_not_hold_up_the_others(
    start: Start, publisher: StandInPublisher, ledger: Engine
) -> None:
    publisher.answer = lambda message: (
        PublishOutcome.RETURNED if message.routing_key == "LCA.03.normal" else PublishOutcome.CONFIRMED
    )
    async with running(start()):
        await holds(lambda: attempts(ledger) == ["returned"], what="the failure is noted")
        await holds(lambda: sorted(states(ledger).values()).count("queued") == 4, what="the others are queued")
    with reading(ledger) as conn:
        reason = conn.scalar(select(delivery.c.reason).where(delivery.c.unit == "LCA.03"))
    assert reason == "returned: the broker has no queue for this unit; `congvan topology plan` tells what is in the way"


async def claims_end(writer: Writer) -> None:
    """Wait until the writer has done what a killed relay asked of it: the claim of a dead process ends with it."""
    await writer.run(lambda _conn, items: items, None)


async def test_killed_before_the_broker_answers_it_publishes_again_after_the_lease(
    *, start: Start, publisher: StandInPublisher, ledger: Engine, writer: Writer, due: list[str], clock: SetClock
) -> None:
    publisher.free.clear()
    async with running(start()):
        await holds(lambda: len(publisher.ids) == 5, what="all are on the wire")
    publisher.free.set()
    await claims_end(writer)
    assert set(states(ledger).values()) == {Status.PENDING.value}
    clock.pass_(seconds=LEASE + 1)
    async with running(start()):
        await holds(lambda: all_queued(ledger), what="all are queued")
    assert sorted(publisher.ids) == sorted(due * 2), "the same ids: a spool takes each once"


async def test_killed_while_the_confirms_are_recorded_it_publishes_again_and_queues_each_once(
    start: Start, publisher: StandInPublisher, ledger: Engine, writer: Writer, clock: SetClock
) -> None:
    publisher.free.clear()
    async with running(start()):
        await holds(lambda: len(publisher.ids) == 5, what="all are on the wire")
        with away(ledger):
            publisher.free.set()
            await holds(lambda: not writer.available, what="the record waits for the ledger")
            assert set(states(ledger).values()) == {Status.PENDING.value}
            clock.pass_(seconds=LEASE + 1)
    async with running(start()):
        await holds(lambda: all_queued(ledger), what="all are queued")
    with reading(ledger) as conn:
        advanced = select(receipt.c.delivery_id).where(receipt.c.status == "queued", receipt.c.effect == "advance")
        assert len(list(conn.scalars(advanced))) == 5


async def test_killed_after_the_record_it_publishes_nothing_again(
    start: Start, publisher: StandInPublisher, ledger: Engine, clock: SetClock
) -> None:
    async with running(start()):
        await holds(lambda: all_queued(ledger), what="all are queued")
    clock.pass_(seconds=LEASE + 1)
    async with running(start()) as task:
        await holds(lambda: not task.done() and all_queued(ledger))
    assert len(publisher.ids) == 5


async def test_a_lease_begins_when_the_claim_is_made_and_not_when_it_was_wished_for(
    start: Start, publisher: StandInPublisher, ledger: Engine, writer: Writer, clock: SetClock
) -> None:
    publisher.free.clear()
    with away(ledger):
        task = asyncio.create_task(start().run())
        await holds(lambda: not writer.available, what="the claim waits for the ledger")
        clock.pass_(seconds=10 * LEASE)
    await holds(lambda: len(publisher.ids) == 5, what="all are on the wire")
    with reading(ledger) as conn:
        leases = set(conn.scalars(select(delivery.c.next_due_at)))
    assert leases == {clock.now + round(LEASE * 1000)}
    task.cancel()
    await asyncio.wait([task])


async def test_while_the_broker_is_away_or_was_not_compared_nothing_is_claimed(
    *,
    start: Start,
    publisher: StandInPublisher,
    ledger: Engine,
    session: StandInSession,
    steady: asyncio.Event,
    clock: SetClock,
) -> None:
    session.up.clear()
    steady.clear()

    def is_claimed() -> bool:
        with reading(ledger) as conn:
            return any(at > clock.now for at in conn.scalars(select(delivery.c.next_due_at)))

    async with running(start()):
        steady.set()
        for _ in range(3):
            await asyncio.sleep(0)
        assert not is_claimed()
        session.up.set()
        await holds(lambda: all_queued(ledger), what="all are queued")
    assert len(publisher.ids) == 5


async def test_a_blocked_broker_is_given_no_more_than_what_may_be_in_flight(
    start: Callable[[int], Relay], publisher: StandInPublisher, ledger: Engine
) -> None:
    publisher.free.clear()
    async with running(start(1)):
        await holds(lambda: len(publisher.ids) == BATCHES_IN_FLIGHT, what="so many batches are in flight")
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(publisher.ids) == BATCHES_IN_FLIGHT
        publisher.free.set()
        await holds(lambda: all_queued(ledger), what="all are queued")
