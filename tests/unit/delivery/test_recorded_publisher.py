"""An issuer's queue is given up after refusals of its own, not after the troubles of others; looks are gathered."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from router.broker import Outgoing, PublishOutcome, Template
from router.delivery.recorded import _GATHER, _REFUSALS, IssuerBurst, RecordedPublisher
from router.ledger.writer import Writer
from support.stand_ins import StandInPublisher, StandInSession

A, B = (IssuerBurst(issuer, Outgoing(Template("x", "receipts", b"{}"), f"{issuer}.U", issuer)) for issuer in "AB")


@pytest.fixture
def recorded(
    *,
    ledger: Engine,
    writer: Writer,
    session: StandInSession,
    publisher: StandInPublisher,
    steady: asyncio.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> RecordedPublisher:
    monkeypatch.setattr("router.delivery.recorded._PAUSE_FIRST", 0.001)
    monkeypatch.setattr("router.delivery.recorded._PAUSE_LONGEST", 0.001)
    return RecordedPublisher(
        engine=ledger,
        writer=writer,
        session=session,  # type: ignore[arg-type]
        publisher=publisher,  # type: ignore[arg-type]
        steady=steady,
    )


def answers(publisher: StandInPublisher, *, a: list[PublishOutcome], b: list[PublishOutcome]) -> None:
    """What the broker says of each, one time after the other, and at last that it took it."""
    told: dict[str, Iterator[PublishOutcome]] = {"A": iter(a), "B": iter(b)}
    publisher.answer = lambda message: next(told[message.message_id], PublishOutcome.CONFIRMED)


@pytest.mark.parametrize("trouble", [PublishOutcome.LOST, PublishOutcome.TIMED_OUT, PublishOutcome.NACKED])
async def test_one_refusal_after_many_troubles_of_another_is_tried_again(
    recorded: RecordedPublisher, publisher: StandInPublisher, trouble: PublishOutcome
) -> None:
    tries = _REFUSALS - 1
    answers(publisher, a=[trouble] * tries, b=[PublishOutcome.CONFIRMED] * tries + [PublishOutcome.NACKED] * tries)
    assert await recorded._until_taken([A, B])
    assert Counter(publisher.ids) == {"A": _REFUSALS, "B": 2 * tries + 1}
    assert not recorded._refusing


async def test_a_queue_that_refuses_each_time_holds_up_the_next_no_longer(
    recorded: RecordedPublisher, publisher: StandInPublisher
) -> None:
    answers(publisher, a=[PublishOutcome.NACKED] * 100, b=[])
    assert await recorded._until_taken([A, B])
    assert set(recorded._refusing) == {"A"}
    assert await recorded._until_taken([A, B])
    assert Counter(publisher.ids) == {"A": _REFUSALS + 1, "B": _REFUSALS + 1}


async def test_a_log_that_never_rests_is_looked_at_once_in_a_while(
    recorded: RecordedPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    async def look() -> None:
        nonlocal looks
        looks += 1

    monkeypatch.setattr(recorded, "_publish_all", look)
    clock = asyncio.get_running_loop().time
    began = clock()
    working = asyncio.create_task(recorded.run())
    while looks < 5:
        recorded.wake()
        await asyncio.sleep(0)
    working.cancel()
    await asyncio.wait([working])
    assert clock() - began >= (looks - 1) * _GATHER
