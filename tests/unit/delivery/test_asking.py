"""Receipts that the ledger misses are asked for, once until the next hello, and again when the asker died."""

import asyncio
import json

import pytest
from sqlalchemy import Engine

from router.broker import PublishOutcome
from router.delivery.missing_receipts import Asker
from router.delivery.organisation import Organisation
from router.ledger.engine import reading
from router.ledger.units import receipt_numbers
from router.ledger.writer import Writer
from support.conditions import holds
from support.ledgers import Clerk, unit
from support.stand_ins import SetClock, StandInPublisher, StandInSession, away

UNIT = "LCA.02"


@pytest.fixture
def organisation(ledger: Engine, clock: SetClock) -> Organisation:
    with ledger.begin() as conn:
        Clerk(conn).units(unit("LCA"), unit(UNIT))
        receipt_numbers.note(conn, {UNIT: [1, 2, 5]}, ask_at=clock.now + 30_000)
    made = Organisation(ledger, "Asia/Ho_Chi_Minh", clock=clock)
    made.refresh()
    return made


@pytest.fixture
def asker(
    *,
    ledger: Engine,
    writer: Writer,
    session: StandInSession,
    publisher: StandInPublisher,
    organisation: Organisation,
    steady: asyncio.Event,
    clock: SetClock,
) -> Asker:
    return Asker(
        engine=ledger,
        writer=writer,
        session=session,  # type: ignore[arg-type]
        publisher=publisher,  # type: ignore[arg-type]
        organisation=organisation,
        steady=steady,
        clock=clock,
    )


def is_due(ledger: Engine, clock: SetClock) -> bool:
    with reading(ledger) as conn:
        return receipt_numbers.is_due(conn, clock.now)


async def test_nobody_is_asked_before_the_grace_is_over(asker: Asker, publisher: StandInPublisher) -> None:
    await asker.ask()
    assert publisher.published == []


async def test_the_unit_is_asked_for_what_misses_and_once(
    asker: Asker, publisher: StandInPublisher, clock: SetClock
) -> None:
    clock.pass_(seconds=30)
    await asker.ask()
    (question,) = publisher.published
    assert (question.template.exchange, question.routing_key) == ("org.LCA", f"{UNIT}.express")
    assert json.loads(question.template.body)["missing"] == [[3, 4]]
    clock.pass_(seconds=3600)
    await asker.ask()
    assert len(publisher.published) == 1


@pytest.mark.parametrize("outcome", [PublishOutcome.NACKED, PublishOutcome.TIMED_OUT, PublishOutcome.LOST])
async def test_a_question_that_the_broker_did_not_take_is_put_again_after_a_minute(
    asker: Asker, publisher: StandInPublisher, clock: SetClock, outcome: PublishOutcome
) -> None:
    publisher.answer = lambda _message: outcome
    clock.pass_(seconds=30)
    await asker.ask()
    publisher.answer = lambda _message: PublishOutcome.CONFIRMED
    clock.pass_(seconds=59)
    await asker.ask()
    assert len(publisher.published) == 1
    clock.pass_(seconds=2)
    await asker.ask()
    assert len(publisher.published) == 2


async def test_a_unit_without_a_queue_is_not_asked_again_before_it_says_hello(
    asker: Asker, publisher: StandInPublisher, clock: SetClock, ledger: Engine
) -> None:
    publisher.answer = lambda _message: PublishOutcome.RETURNED
    clock.pass_(seconds=30)
    await asker.ask()
    clock.pass_(seconds=3600)
    await asker.ask()
    assert len(publisher.published) == 1
    with ledger.begin() as conn:
        receipt_numbers.greet(conn, "spool", {UNIT: 5}, ask_at=clock.now)
    await asker.ask()
    assert len(publisher.published) == 2


async def test_killed_between_the_publish_and_its_record_it_asks_again_after_a_minute(
    asker: Asker, publisher: StandInPublisher, clock: SetClock, ledger: Engine
) -> None:
    publisher.free.clear()
    clock.pass_(seconds=30)
    killed = asyncio.create_task(asker.ask())
    await holds(lambda: len(publisher.published) == 1, what="the question is on its way")
    killed.cancel()
    publisher.free.set()
    clock.pass_(seconds=59)
    assert not is_due(ledger, clock)
    clock.pass_(seconds=2)
    await asker.ask()
    assert len(publisher.published) == 2


async def test_a_claim_that_waited_for_the_ledger_lasts_its_minute_from_then(
    asker: Asker, publisher: StandInPublisher, clock: SetClock, ledger: Engine, writer: Writer
) -> None:
    publisher.free.clear()
    clock.pass_(seconds=30)
    with away(ledger):
        asking = asyncio.create_task(asker.ask())
        await holds(lambda: not writer.available, what="the ledger is away")
        clock.pass_(seconds=600)
    await holds(lambda: len(publisher.published) == 1, what="the question is on its way")
    assert not is_due(ledger, clock), "it was just claimed"
    publisher.free.set()
    await asking


async def test_no_question_is_put_while_the_broker_is_away_or_does_not_stand(
    asker: Asker, publisher: StandInPublisher, session: StandInSession, steady: asyncio.Event, clock: SetClock
) -> None:
    session.up.clear()
    steady.clear()
    clock.pass_(seconds=30)
    asking = asyncio.create_task(asker.ask())
    steady.set()
    session.up.set()
    await asking
    assert len(publisher.published) == 1
