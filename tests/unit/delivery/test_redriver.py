"""The redriver carries on with every redrive in work, whoever began it, and does no step twice."""

import asyncio

import pytest
from sqlalchemy import Engine, select

from router.delivery.redriver import Redriver
from router.ledger.engine import reading, writing
from router.ledger.models import receipt
from router.ledger.queries import Filter
from router.ledger.redrives.authority import Authority, AuthorityKind
from router.ledger.redrives.decisions import JobState, Pace
from router.ledger.redrives.making import NewRedrive, make
from router.ledger.redrives.reading import find_job
from router.ledger.scope import EVERYTHING
from router.ledger.writer import Writer
from schemas.ids import new_id
from schemas.states import Status
from support.conditions import holds
from support.ledgers import Clerk, unit
from support.stand_ins import SetClock, away

CODES = ("LCA.01", "LCA.02", "LCA.03")
WATCH = 60_000


@pytest.fixture
def job(ledger: Engine, clock: SetClock) -> str:
    """A redrive of three parked deliveries, all at once."""
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        dispatch = clerk.dispatch("LCA", [unit(code) for code in CODES])
        for code in CODES:
            clerk.tell(dispatch, code, Status.QUEUED, Status.PARKED, reason="disk full")
        clock.now = clerk.now + 1000
        new = NewRedrive(
            who=Authority(AuthorityKind.TERMINAL, "root@here"),
            token=new_id(),
            text="is:parked",
            wanted=Filter(states=frozenset({Status.PARKED})),
            cut_at=clock.now,
            reason="the disk was freed",
            pace=Pace.ALL,
            watch_ms=WATCH,
        )
        return make(conn, new, now_ms=clock.now)


@pytest.fixture
def wakes() -> list[None]:
    return []


@pytest.fixture
def redriver(ledger: Engine, writer: Writer, clock: SetClock, wakes: list[None], job: str) -> Redriver:
    assert job
    return Redriver(ledger, writer, lambda: wakes.append(None), clock=clock)


def sent_again(ledger: Engine) -> int:
    with reading(ledger) as conn:
        rows = select(receipt.c.id).where(receipt.c.status == "redriven", receipt.c.effect == "advance")
        return len(list(conn.scalars(rows)))


def state(ledger: Engine, job: str) -> JobState:
    with reading(ledger) as conn:
        return find_job(conn, EVERYTHING, job).state


async def test_a_step_sends_again_and_wakes_the_relay(ledger: Engine, redriver: Redriver, wakes: list[None]) -> None:
    await redriver.look()
    assert sent_again(ledger) == 3
    assert wakes == [None]


async def test_a_look_with_nothing_to_do_wakes_nobody_and_sends_nothing_twice(
    ledger: Engine, redriver: Redriver, wakes: list[None]
) -> None:
    await redriver.look()
    await redriver.look()
    assert sent_again(ledger) == 3
    assert wakes == [None]


async def test_what_brings_no_bad_news_while_it_is_watched_is_done_by_the_routers_clock(
    ledger: Engine, redriver: Redriver, clock: SetClock, job: str
) -> None:
    await redriver.look()
    clock.pass_(seconds=WATCH / 1000 - 1)
    await redriver.look()
    assert state(ledger, job) is JobState.RUNNING
    clock.pass_(seconds=2)
    await redriver.look()
    assert state(ledger, job) is JobState.DONE


async def test_killed_before_the_commit_another_carries_on_and_nothing_is_sent_twice(
    ledger: Engine, redriver: Redriver, writer: Writer, clock: SetClock, wakes: list[None]
) -> None:
    with away(ledger):
        killed = asyncio.create_task(redriver.look())
        await holds(lambda: not writer.available, what="the step waits for the ledger")
        killed.cancel()
        assert sent_again(ledger) == 0
    clock.pass_(seconds=3600)
    await Redriver(ledger, writer, lambda: wakes.append(None), clock=clock).look()
    assert sent_again(ledger) == 3
